"""Which questions are asked, with which gold answers and given solutions."""

import json
from pathlib import Path

import pytest

from vineppo.config.load import load_config
from vineppo.errors import UserError
from vineppo.explain.source import Item, Wanted, gather
from vineppo.tasks.settings import TaskSettings
from vineppo.types import Message


def task(*overrides: str) -> TaskSettings:
    return load_config(None, overrides).task


def items_of(tmp_path: Path, config: TaskSettings, *rows: dict) -> list[Item]:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n\n" for row in rows))
    return gather(Wanted(file=file), config)[1]


def refusal(wanted: Wanted, config: TaskSettings) -> str:
    with pytest.raises(UserError) as refused:
        gather(wanted, config)
    return str(refused.value)


# --- questions and answers ---------------------------------------------------------------------------------------


def test_a_question_is_asked_as_the_task_asks():
    wanted = Wanted(question="What is 1 + 1?", answer="2")
    judge, [item] = gather(wanted, task("task=gsm8k"))
    assert item.question.prompt.text == "[MATH_TASK] Problem:\nWhat is 1 + 1?\n\nSolution:"
    assert [j.reward for j in judge.judge([item.question] * 2, ["#### 2", "2"])] == [1.0, 0.0]
    assert (judge.questions("test"), judge.questions("train")) == ((item.question,), ())


def test_a_chain_is_asked_with_or_without_its_ending():
    for text in ("3*7+1", "3*7+1=", " 3*7+1=?\n"):
        judge, [item] = gather(Wanted(question=text, answer="22"), task())
        assert item.question.prompt == "3*7+1=?\n"
        assert [j.reward for j in judge.judge([item.question], ["3*7=21\n21+1=22\n####22"])] == [1.0]


def test_a_mathematical_answer_is_judged_as_one():
    judge, [item] = gather(Wanted(question="Half?", answer=r"\frac{1}{2}"), task("task=math", "task.template=plain"))
    assert item.question.prompt == "Half?"
    assert [j.reward for j in judge.judge([item.question], [r"\boxed{0.5}"])] == [1.0]


def test_without_a_question_the_tasks_own_are_taken():
    judge, items = gather(Wanted(limit=2), task("task={name: arithmetic, train_questions: 9, test_questions: 5}"))
    assert [item.question for item in items] == list(judge.questions("test")[:2])
    assert len(gather(Wanted(), task("task={name: arithmetic, train_questions: 9, test_questions: 9}"))[1]) == 4


def test_gsm8k_rows_carry_their_answer_in_the_solution(tmp_path):
    row = {"question": "How many?", "answer": "She has 2*3=<<2*3=6>>6.\n#### 6"}
    [item] = items_of(tmp_path, task("task=gsm8k"), row)
    assert (item.question.answer, item.solutions) == ("6", ())
    assert item.question.id == "rows.jsonl line 1"


def test_a_gold_answer_may_be_a_number_or_stand_behind_another_marker(tmp_path):
    rows = [{"question": "?", "answer": 6}, {"question": "?", "ground_truth": "It is six.\nA: 6"}]
    assert [item.question.answer for item in items_of(tmp_path, task("task=gsm8k"), rows[0])] == ["6"]
    marked = task("task=gsm8k", "task.answer_marker='A:'")
    assert [item.question.answer for item in items_of(tmp_path, marked, rows[1])] == ["6"]


def test_a_prompt_is_taken_as_it_is(tmp_path):
    chat = [{"role": "user", "content": "?"}]
    rows = [{"prompt": "p", "question": "q", "answer": "1"}, {"prompt": chat, "answer": "1"}]
    text, messages = (item.question.prompt for item in items_of(tmp_path, task("task=dataset"), *rows))
    assert text == "p"
    assert messages == (Message(role="user", content="?"),)


def test_reward_functions_get_the_rows_columns(tmp_path):
    (tmp_path / "rewards.py").write_text(
        "def brief(completions, longest, **columns):\n"
        "    return [float(len(text) <= n) for text, n in zip(completions, longest)]\n"
    )
    config = task(f"task={{name: dataset, rewards: [{{function: '{tmp_path}/rewards.py:brief'}}]}}")
    file = tmp_path / "rows.jsonl"
    file.write_text('{"prompt": "?", "longest": 3}\n')
    judge, [item] = gather(Wanted(file=file), config)
    assert [j.reward for j in judge.judge([item.question] * 2, ["abc", "abcd"])] == [1.0, 0.0]


# --- given solutions ---------------------------------------------------------------------------------------------


def test_solutions_are_taken_from_a_list_or_a_text(tmp_path):
    rows = [
        {"question": "?", "answer": "1", "solutions": ["a", "b"]},
        {"question": "?", "answer": "1", "solution": "c"},
        {"question": "?", "answer": "1", "response": "d", "solutions": []},
        {"question": "?", "answer": "1"},
    ]
    assert [item.solutions for item in items_of(tmp_path, task("task=gsm8k"), *rows)] == [
        ("a", "b"),
        ("c",),
        ("d",),
        (),
    ]


def test_only_the_first_rows_are_read(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"question": "?", "answer": "1"}\n\nnot json\n')
    assert len(gather(Wanted(file=file, limit=1), task("task=gsm8k"))[1]) == 1


# --- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answer": "1"}, "rows.jsonl line 1 has none of the columns prompt, question, problem as text, only 'answer'"),
        ({"question": "?"}, "rows.jsonl line 1 has no gold answer, without which no response can be judged; give --an"),
        ({"question": "?", "answer": "six"}, "no gold answer can be read from answer 'six'; give a number, or a sol"),
        ({"question": "?", "answer": "1", "solutions": "x"}, None),
        ({"question": "?", "answer": "1", "solutions": [1]}, "column 'solutions' is list; make it a text or a list"),
    ],
)
def test_a_row_that_cannot_be_asked_is_named(tmp_path, row, message):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row))
    if message is None:
        assert gather(Wanted(file=file), task("task=gsm8k"))[1][0].solutions == ("x",)
    else:
        assert message in refusal(Wanted(file=file), task("task=gsm8k"))


def test_options_that_do_not_go_together_are_refused(tmp_path):
    file = tmp_path / "rows.jsonl"
    assert refusal(Wanted(question="?", file=file), task()) == "--question and --file are both given; give one of them"
    assert refusal(Wanted(answer="1"), task()).startswith("--answer is given without --question;")
    assert refusal(Wanted(limit=0), task()) == "--limit is 0, but must be a whole number >= 1"
    assert "--file" in refusal(Wanted(file=file), task())
    file.touch()
    assert refusal(Wanted(file=file), task()).endswith("with columns question and answer")


def test_a_question_of_the_wrong_kind_is_refused_with_the_tasks_that_take_it():
    message = refusal(Wanted(question="How many apples?", answer="3"), task())
    assert message.startswith(
        "question: 'How many apples?' is no chain such as '12*7+5', which task arithmetic asks for"
    )
    assert "set task=gsm8k" in message
    message = refusal(Wanted(question="?", answer="3"), task("task=reasoning_gym"))
    assert message.startswith("question: task reasoning_gym judges only questions of its own; set task=gsm8k")
