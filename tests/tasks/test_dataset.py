import json
from pathlib import Path

import pytest

from vineppo.errors import UserError
from vineppo.tasks.build import build_task
from vineppo.tasks.dataset import DatasetTask
from vineppo.types import Judgement, Message, Outcome

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "gsm8k" / "model_solutions.jsonl"
needs_real_data = pytest.mark.skipif(not REAL.is_file(), reason=f"no labelled solutions at {REAL}")

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1 + 1?"}]


def write(folder, train, test=None):
    for split, rows in (("train", train), ("test", test or train)):
        (folder / f"{split}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def build(folder, **settings):
    return build_task(DatasetTask(path=str(folder), **settings))


@pytest.mark.parametrize(
    ("columns", "gold"),
    [
        ({"answer": "2"}, "2"),
        ({"answer": 2}, "2"),
        ({"answer": 2.5}, "2.5"),
        ({"solution": r"so \boxed{2}"}, "2"),
        ({"ground_truth": "1 + 1 = 2\n#### 2"}, "2"),
        ({"solution": "long", "answer": "2"}, "2"),
        ({"ground_truth": "0", "solution": "2"}, "2"),
    ],
)
def test_the_usual_columns_are_found(tmp_path, columns, gold):
    write(tmp_path, [{"prompt": "1 + 1?", **columns}])
    [question] = build(tmp_path).questions("train")
    assert (question.prompt, question.answer) == ("1 + 1?", gold)


def test_columns_and_template_can_be_named(tmp_path):
    write(tmp_path, [{"q": "1 + 1?", "a": "A: 2", "answer": "0"}])
    task = build(tmp_path, prompt_column="q", answer_column="a", answer_marker="A:", template="Q: {question}")
    [question] = task.questions("test")
    assert (question.prompt, question.answer) == ("Q: 1 + 1?", "2")
    assert [j.outcome for j in task.judge([question] * 2, ["A: 2.0", r"\boxed{2}"])] == ["correct", "unparseable"]


def test_messages_stay_messages(tmp_path):
    write(tmp_path, [{"prompt": CHAT, "answer": "2"}])
    task = build(tmp_path)
    [question] = task.questions("train")
    assert question.prompt == (
        Message(role="system", content="Be brief."),
        Message(role="user", content="1 + 1?"),
    )
    assert task.judge([question], [r"\boxed{\sqrt{4}}"]) == [Judgement(reward=1.0, outcome=Outcome.CORRECT)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "?"}, "row 1 has none of the columns answer, solution, ground_truth, only 'prompt'; name the gold"),
        ({"prompt": "?", "answer": None}, "column 'answer' of row 1 has no gold answer: None; make it a number"),
        ({"prompt": "?", "answer": ""}, "has no gold answer: ''"),
        ({"prompt": "?", "answer": True}, "has no gold answer: True"),
        ({"prompt": [], "answer": 1}, r"column 'prompt' of row 1 is list \[\]; make it text, or a list of messages"),
        ({"prompt": [{"role": "user", "content": [1]}], "answer": 1}, "which is no message; make it text"),
        ({"promt": "?", "answer": 1}, "set task.prompt_column=promt, or rename it"),
    ],
)
def test_rows_that_cannot_work_are_refused(tmp_path, row, message):
    write(tmp_path, [row])
    with pytest.raises(UserError, match=rf"task\.path, split 'train': .*{message}"):
        build(tmp_path)


@needs_real_data
def test_verdicts_on_real_model_solutions_agree_with_their_labels():
    files = {"train_file": REAL.name, "test_file": REAL.name}
    columns = {"prompt_column": "question", "answer_column": "ground_truth", "answer_marker": "A:"}
    task = build(REAL.parent, **files, **columns)
    rows = [json.loads(line) for line in REAL.read_text().splitlines()]
    judgements = task.judge(task.questions("test"), [row["solution"] for row in rows])
    assert [judgement.reward == 1 for judgement in judgements] == [row["is_correct"] for row in rows]


# --- reward functions --------------------------------------------------------------------------------------------

REWARDS = """
def right(prompts, completions, answer, **columns):
    return [float(str(a) in c) for a, c in zip(answer, completions)]

def short(completions, **columns):
    return [None if not c else 1.0 if len(c) < 10 else 0.0 for c in completions]
"""


def test_reward_functions_take_the_place_of_the_judge(tmp_path):
    write(tmp_path, [{"prompt": "1 + 1?", "answer": 2, "hint": "easy"}])
    file = tmp_path / "rewards.py"
    file.write_text(REWARDS)
    rewards = [{"function": f"{file}:right"}, {"function": f"{file}:short", "weight": 0.5}]
    task = build(tmp_path, rewards=rewards)
    [question] = task.questions("train")
    assert question.columns == {"answer": 2, "hint": "easy"}
    assert [j.reward for j in task.judge([question] * 3, ["2", "2 " * 9, ""])] == [1.5, 1.0, 0.0]


def test_reward_functions_need_no_answers(tmp_path):
    write(tmp_path, [{"prompt": "Say hi."}])
    file = tmp_path / "rewards.py"
    file.write_text(REWARDS)
    task = build(tmp_path, rewards=[{"function": f"{file}:short"}])
    assert task.judge(task.questions("train"), ["hi"]) == [Judgement(reward=1.0, outcome=Outcome.SCORED)]


def test_a_row_without_a_column_that_functions_get_is_refused(tmp_path):
    write(tmp_path, [{"prompt": "a", "hint": 1}, {"prompt": "b"}])
    file = tmp_path / "rewards.py"
    file.write_text(REWARDS)
    with pytest.raises(UserError, match="row 2 has no column 'hint'"):
        build(tmp_path, rewards=[{"function": f"{file}:short"}])
