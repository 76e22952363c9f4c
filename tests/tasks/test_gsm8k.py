import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.errors import UserError
from vineppo.tasks.gsm8k import Gsm8k, judge_one, read_answer
from vineppo.tasks.templates import Wording
from vineppo.types import Outcome

TEMPLATE = Wording(text="Problem:\n{question}\n\nSolution:")
CLIPS = {
    "question": "Natalia sold 48 clips in April and half as many in May. How many in all?",
    "answer": "In May {48/2} = <<48/2=24>>24.\nIn all 48+24 = <<48+24=72>>72 clips.\n#### 72",
}
HOUSE = {"question": "What profit?", "answer": "It is $<<1000*2=2000>>2,000.\n#### 2,000"}

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "gsm8k"
needs_real_data = pytest.mark.skipif(not REAL.is_dir(), reason=f"no GSM8K data at {REAL}")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.jsonl").write_text(f"{json.dumps(CLIPS)}\n{json.dumps(HOUSE)}\n")
    (tmp_path / "test.jsonl").write_text(json.dumps(CLIPS))
    return tmp_path


# --- questions ---------------------------------------------------------------------------------------------------


def test_questions_come_in_order_with_prompt_and_number(folder):
    clips, house = Gsm8k(str(folder), None, TEMPLATE).questions("train")
    assert clips.prompt == f"Problem:\n{CLIPS['question']}\n\nSolution:"
    assert (clips.answer, house.answer) == ("72", "2000")
    assert (clips.id, house.id) == ("train-0", "train-1")


def test_braces_in_template_and_question_stay(folder):
    (folder / "test.jsonl").write_text(json.dumps({"question": "{x}?", "answer": "#### 1"}))
    [question] = Gsm8k(str(folder), None, Wording(text="\\boxed{} {question}")).questions("test")
    assert question.prompt == "\\boxed{} {x}?"


def test_demonstrations_are_the_solutions_without_calculator_annotations(folder):
    demonstrations = Gsm8k(str(folder), None, TEMPLATE).demonstrations("train")
    assert demonstrations[0] == (
        f"Problem:\n{CLIPS['question']}\n\nSolution:",
        "\nIn May {48/2} = 24.\nIn all 48+24 = 72 clips.\n#### 72",
    )
    assert demonstrations[1][1] == "\nIt is $2,000.\n#### 2,000"


def test_a_template_without_its_slot_is_refused(folder):
    with pytest.raises(UserError, match=r"task\.template 'Solve\.' lacks \{question\}; write"):
        Gsm8k(str(folder), None, Wording(text="Solve."))


@pytest.mark.parametrize("answer", ["72", "#### many", "#### 7 or 8"])
def test_a_gold_answer_that_cannot_be_read_is_refused(folder, answer):
    (folder / "test.jsonl").write_text(f"{json.dumps(CLIPS)}\n{json.dumps(CLIPS | {'answer': answer})}")
    with pytest.raises(UserError, match=rf"split 'test': column 'answer' of row 2 .*'{answer}'; end it with"):
        Gsm8k(str(folder), None, TEMPLATE)


def test_a_missing_column_is_refused(folder):
    (folder / "test.jsonl").write_text('{"Question": "", "answer": "#### 1"}')
    with pytest.raises(UserError, match=r"task\.path .*split 'test': row 1 .* rename 'Question' to 'question'"):
        Gsm8k(str(folder), None, TEMPLATE)


# --- judge -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [
        "#### 18",
        "####18",
        "####\n18",
        "9 + 9 = 18\n#### 18\n",
        "#### 17\n#### 18",
        "#### 18\n\nProblem:\n5 apples",
        "#### $18",
        "#### $18.00.",
        "#### 18.0",
        "#### 018",
        "#### 18 dollars",
        "#### 18kg",
        "#### 18%",
        "#### **18**",
        "#### The answer is 18!",
    ],
)
def test_these_say_eighteen(response):
    assert judge_one("18", response).outcome == Outcome.CORRECT


@pytest.mark.parametrize(
    ("answer", "response"),
    [
        ("1080", "#### 1,080"),
        ("1080", "#### $1,080.00 a year"),
        ("-5", "#### -5"),
        ("-5", "#### -$5"),
        ("-5", "#### $-5"),
        ("-5", "#### \N{MINUS SIGN}5"),
        ("0.5", "#### .50"),
        ("0", "#### -0"),
        ("0.1", "#### 0.10000000000000000000000"),
    ],
)
def test_other_numbers_that_are_right(answer, response):
    assert judge_one(answer, response).reward == 1.0


@pytest.mark.parametrize(
    ("answer", "response"),
    [
        ("18", "#### 19"),
        ("18", "#### 18\n#### 19"),
        ("18", "#### -18"),
        ("18", "#### 1.8"),
        ("18", "#### 18.5"),
        ("18", "18\n#### 81"),
        ("0.1", "#### 0.10000000000000000000001"),
        ("10000000000000000", "#### 10000000000000001"),
    ],
)
def test_these_are_wrong(answer, response):
    judgement = judge_one(answer, response)
    assert (judgement.reward, judgement.outcome) == (0.0, Outcome.WRONG)


@pytest.mark.parametrize(
    "response",
    [
        "",
        "18",
        "### 18",
        "####",
        "#### eighteen",
        "#### 18 or 19",
        "#### 18/2",
        "#### 9+9=18",
        "#### 18\n####",
        "#### \N{ARABIC-INDIC DIGIT THREE}",
    ],
)
def test_no_single_number_is_unparseable(response):
    judgement = judge_one("18", response)
    assert (judgement.reward, judgement.outcome) == (0.0, Outcome.UNPARSEABLE)


@pytest.mark.parametrize(
    "response", ["#### " + "9" * 1_000_000, "#### 0." + "1" * 1_000_000, "####" * 250_000, "#### " + "-." * 500_000]
)
def test_absurd_responses_are_judged_fast(response):
    began = time.perf_counter()
    assert judge_one("18", response).reward == 0.0
    assert time.perf_counter() - began < 2


@given(st.text() | st.text(alphabet="#-.,$0123456789 \n").map("####{}".format))
def test_no_text_upsets_the_judge(response):
    assert judge_one("18", response).reward in (0.0, 1.0)


@given(st.integers())
def test_every_integer_is_read_back_with_or_without_commas(number):
    assert judge_one(str(number), f"#### {number:,}").reward == 1.0
    assert read_answer(f"#### {number}") == str(number)


def test_another_marker_can_be_named(folder):
    row = {"question": "?", "answer": "1 + 1 = 2 #### 3\nA: 2"}
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text(json.dumps(row))
    task = Gsm8k(str(folder), None, TEMPLATE, "A:")
    assert task.questions("test")[0].answer == "2"
    outcomes = [judgement.outcome for judgement in task.judge(task.questions("test") * 2, ["A: 2", "#### 2"])]
    assert outcomes == [Outcome.CORRECT, Outcome.UNPARSEABLE]


# --- the dataset -------------------------------------------------------------------------------------------------


@needs_real_data
def test_the_dataset_judges_its_own_solutions_correct():
    task = Gsm8k(str(REAL), None, TEMPLATE)
    assert (len(task.questions("train")), len(task.questions("test"))) == (7473, 1319)
    for split in ("train", "test"):
        responses = [response for _, response in task.demonstrations(split)]
        judgements = task.judge(task.questions(split), responses)
        assert all(judgement.outcome == Outcome.CORRECT for judgement in judgements)
        assert not any("<<" in response or ">>" in response for response in responses)


@needs_real_data
def test_the_solution_of_another_question_is_seldom_correct():
    task = Gsm8k(str(REAL), None, TEMPLATE)
    responses = [response for _, response in task.demonstrations("test")]
    judgements = task.judge(task.questions("test"), [*responses[1:], responses[0]])
    assert sum(judgement.reward for judgement in judgements) < 0.05 * len(judgements)


@needs_real_data
def test_verdicts_on_real_model_solutions_agree_with_their_labels():
    rows = [json.loads(line) for line in (REAL / "model_solutions.jsonl").read_text().splitlines()]
    golds = [read_answer(row["ground_truth"], "A:") or "" for row in rows]
    verdicts = [judge_one(gold, row["solution"], "A:").reward == 1 for gold, row in zip(golds, rows, strict=True)]
    agreed = sum(verdict == row["is_correct"] for verdict, row in zip(verdicts, rows, strict=True))
    assert agreed == len(rows) == 2400
