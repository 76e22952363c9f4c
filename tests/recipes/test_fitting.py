"""Questions that cannot be asked are found at the start, all at once, with counts; they can be dropped."""

import time

import pytest

from small_chats import chat_tokenizer
from test_chat import policy_of
from vineppo import load_config
from vineppo.errors import UserError
from vineppo.policy import Policy
from vineppo.recipes.fitting import find_unfit, fitting, has_half_characters
from vineppo.tasks.reward import RewardTask
from vineppo.types import Conversation, Message, Question

POLICY = policy_of(chat_tokenizer())
"""Its context is 64."""


def reward(completions: list[str], **_: object) -> list[float]:
    return [0.0] * len(completions)


def task_of(*prompts: str) -> RewardTask:
    return RewardTask(train=[{"prompt": p} for p in prompts], test=[{"prompt": "a"}], reward=reward)


BAD = ["ok", "x" * 70, "x" * 60, "", "\ud800", "x" * 64]


def test_all_kinds_are_told_together_with_counts():
    config = load_config(None, ["sampling.min_new_tokens=8"])
    with pytest.raises(UserError) as caught:
        fitting(task_of(*BAD), POLICY, config, quiet=True)
    message = str(caught.value)
    assert message.startswith("5 of 7 questions cannot be asked")
    assert "2 with as many tokens as the context of 64 has, or more (e.g. question train-1: 70 tokens)" in message
    assert "1 with less room in the context of 64 than sampling.min_new_tokens 8 (e.g. question train-2" in message
    assert "1 with no token at all (e.g. question train-3" in message
    assert "1 with half characters (lone surrogates) in them (e.g. question train-4" in message
    assert "training.unfit_questions=drop" in message


@pytest.mark.parametrize(
    "question",
    [
        Question(id="q", prompt="a", answer="\ud800"),
        Question(id="q", prompt=(Message(role="user", content="a", more={"name": "\udfff"}),), answer=""),
        Question(id="q", prompt=Conversation(messages=(), tools=({"name": "\udbff"},)), answer=""),
    ],
)
def test_half_characters_are_found_wherever_a_question_holds_text(question: Question):
    assert has_half_characters(question)
    assert not has_half_characters(Question(id="q", prompt="你好 \U0001f600", answer="½"))


def test_they_can_be_dropped():
    config = load_config(None, ["sampling.min_new_tokens=8", "training.unfit_questions=drop"])
    task, told = fitting(task_of(*BAD), POLICY, config, quiet=True)
    assert [question.id for question in task.questions("train")] == ["train-0"]
    assert told.endswith("they are dropped")
    with pytest.raises(UserError, match="a split has none left"):
        fitting(task_of("x" * 70), POLICY, config, quiet=True)


def test_the_engines_own_context_counts():
    config = load_config(None, ["engine.context=10"])
    with pytest.raises(UserError, match="context of 10"):
        fitting(task_of("x" * 20), POLICY, config, quiet=True)


def test_tokens_that_the_model_does_not_have_are_found():
    tokenizer = chat_tokenizer()
    model = policy_of(tokenizer).model
    tokenizer.add_tokens(["<new>"])
    policy = Policy(model=model, tokenizer=tokenizer)
    (unfit,) = find_unfit(policy, [Question(id="q", prompt="a<new>", answer="")], context=64)
    assert "embedding" in unfit.reason


def test_many_prompts_take_seconds():
    questions = [Question(id=str(i), prompt=f"What is {i} + {i}?", answer="") for i in range(20_000)]
    started = time.monotonic()
    assert find_unfit(POLICY, questions, context=64) == []
    assert time.monotonic() - started < 20
