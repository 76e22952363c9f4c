"""Questions put in the policy's own chat template."""

import random

import pytest

from vineppo.errors import UserError
from vineppo.tasks.gsm8k import Gsm8k, Gsm8kTask
from vineppo.tasks.mathematics import Math, MathTask
from vineppo.tasks.templates import TEMPLATES, ask_all
from vineppo.types import Message


def test_a_chat_is_what_a_user_says():
    (prompt,) = ask_all(TEMPLATES["paper"], ["1 + 1?"], chat="{question} Be brief.")
    assert prompt == (Message(role="user", content="1 + 1? Be brief."),)
    assert ask_all("plain", ["1 + 1?"], chat="{question} Be brief.") == [(Message(role="user", content="1 + 1?"),)]
    assert ask_all("plain", ["1 + 1?"]) == ["1 + 1?"]


def test_gsm8k_asks_a_chat_model_for_its_marker():
    task = Gsm8kTask(chat=True, answer_marker="Answer:")
    row = {"question": "1 + 1?", "answer": "Answer: 2"}
    questions = Gsm8k("x", None, task.template, "Answer:", rows=([row], [row]), chat=task.said).questions("test")
    (said,) = questions[0].prompt
    assert said == Message(
        role="user",
        content="1 + 1?\n\nReason step by step, and end with a line of 'Answer: ' and the number.",
    )
    assert task.ask("1 + 1?", where="") == questions[0].prompt


def test_math_asks_a_chat_model_for_a_box():
    task = MathTask(chat=True)
    rows = [{"problem": "1 + 1?", "solution": r"\boxed{2}"}]
    asked = Math(train=rows, test=rows, template=task.template, verdicts=lambda *_: [], chat=task.said)
    (said,) = asked.questions("train")[0].prompt
    assert isinstance(said, Message)
    assert said.content.startswith("1 + 1?")
    assert "\\boxed{}" in said.content
    assert asked.questions("train")[0].prompt == task.ask("1 + 1?", where="")


@pytest.mark.parametrize("task", [Gsm8kTask(chat=True), MathTask(chat=True)])
def test_demonstrations_of_a_chat_are_refused(task: Gsm8kTask | MathTask):
    with pytest.raises(UserError, match=r"task\.chat=false"):
        task.demonstrations(random.Random(0))
