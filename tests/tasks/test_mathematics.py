import json
from pathlib import Path

import pytest

from vineppo.errors import UserError
from vineppo.tasks.build import build_task
from vineppo.tasks.demonstrations import endless_demonstrations
from vineppo.tasks.mathematics import MathTask
from vineppo.types import Outcome

SUM = {"problem": "What is $1 + 1$?", "solution": r"We add: $1 + 1 = \boxed{2}$.", "level": "Level 1"}
HALF = {"problem": "Half of $1$?", "solution": r"It is $\boxed{\frac{1}{2}}.$", "answer": r"\frac12"}

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "math"
needs_real_data = pytest.mark.skipif(not REAL.is_dir(), reason=f"no MATH data at {REAL}")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.jsonl").write_text(json.dumps(SUM))
    (tmp_path / "held_out.jsonl").write_text(json.dumps(HALF))
    return tmp_path


@pytest.fixture
def config(folder):
    return MathTask(path=str(folder), test_file="held_out.jsonl")


def test_gold_answers_come_from_the_box_or_the_answer_column(config):
    task = build_task(config)
    [train], [test] = task.questions("train"), task.questions("test")
    assert (train.answer, test.answer) == ("2", r"\frac12")
    assert train.prompt.text == "[MATH_TASK] Problem:\nWhat is $1 + 1$?\n\nSolution:"
    assert train.prompt.message.endswith("put the final answer within \\boxed{}.")


def test_splits_may_lie_in_two_places(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "test.jsonl").write_text(json.dumps(HALF))
    task = build_task(MathTask(path=str(folder), test_path=str(other)))
    assert [question.answer for question in task.questions("test")] == [r"\frac12"]


def test_a_preset_is_a_template(config):
    task = build_task(config.model_copy(update={"template": "boxed"}))
    assert task.questions("train")[0].prompt.endswith("\\boxed{}.\n")


def test_the_last_box_is_judged(config):
    task = build_task(config)
    question = task.questions("test")[0]
    responses = [r"\boxed{0.5}", r"\boxed{0.5} no, \boxed{1}", "0.5", r"\boxed{\sqrt{\frac14}}"]
    judgements = task.judge([question] * 4, responses)
    assert [judgement.outcome for judgement in judgements] == [
        Outcome.CORRECT,
        Outcome.WRONG,
        Outcome.UNPARSEABLE,
        Outcome.CORRECT,
    ]
    assert [judgement.reward for judgement in judgements] == [1.0, 0.0, 0.0, 1.0]


def test_demonstrations_are_the_solutions(config):
    prompt, response = next(endless_demonstrations(config, seed=0))
    assert (prompt.text[-9:], response) == ("Solution:", "\n" + SUM["solution"])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"problem": "?", "solution": "no box " * 200}, "column 'solution' of row 1 has no gold answer: .* make it"),
        ({"problem": "?", "solution": r"\boxed{1"}, "has no gold answer"),
        ({"problem": "?"}, "row 1 has no column 'solution' and no 'answer'"),
        ({"solution": "1"}, "row 1 has no column 'problem'"),
    ],
)
def test_rows_that_cannot_work_are_refused(folder, config, row, message):
    (folder / "held_out.jsonl").write_text(json.dumps(row))
    with pytest.raises(UserError, match=rf"task\.path, split 'test': .*{message}"):
        build_task(config)


def test_a_missing_file_is_refused_and_the_others_named(folder):
    with pytest.raises(UserError, match=r"task\.test_file 'no\.jsonl' .* held_out\.jsonl, train\.jsonl; name"):
        build_task(MathTask(path=str(folder), test_file="no.jsonl"))


@needs_real_data
def test_the_dataset_judges_its_own_solutions_correct():
    task = build_task(MathTask(path=str(REAL), train_file="problems.jsonl", test_file="math500.jsonl"))
    for split, name in (("train", "problems"), ("test", "math500")):
        rows = [json.loads(line) for line in (REAL / f"{name}.jsonl").read_text().splitlines()]
        judgements = task.judge(task.questions(split), [row["solution"] for row in rows])
        assert sum(judgement.reward for judgement in judgements) >= 0.995 * len(rows)
