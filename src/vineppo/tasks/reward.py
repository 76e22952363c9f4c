"""Reward functions in TRL's convention, and the Python API's own task: rows of a dataset and such a function.

    def short(prompts, completions, **columns):
        return [1.0 if len(completion) < 100 else 0.0 for completion in completions]

    RewardTask(train=[{"prompt": "Say hi."}], test=[{"prompt": "Say bye."}], reward=short)

Functions see all responses, also those that the length limit cut off (`task.truncated` may say otherwise). A prompt of
messages is handed over as such, its completion as a list with the assistant's message, as TRL does.
"""

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch

from vineppo.errors import UserError
from vineppo.seams import Split
from vineppo.tasks.prompts import read_prompts
from vineppo.tasks.reward_keywords import Columns, keywords, takes
from vineppo.tasks.rows import one_line, require_columns
from vineppo.tasks.templates import PLAIN
from vineppo.types import Judgement, Outcome, Posed, Prompt, Question, messages_of, prompt_text

RewardFunction = Callable[..., Sequence[float | None]]
"""Called with keywords only: `prompts`, `completions` and every further column, all
lists of one length. Returns a list of that length."""

PROMPT = "prompt"
PASSED = ("prompts", "completions")


class RewardTask:
    """Questions are rows with a column `prompt`, text or messages; a function scores the responses.

    The first train row says which further columns there are; every row must have them. The function returns one
    finite number a response, or None where it has nothing to say (reward 0, outcome unparseable).
    """

    def __init__(
        self,
        train: Iterable[Mapping[str, object]],
        test: Iterable[Mapping[str, object]],
        reward: RewardFunction,
    ):
        rows: dict[Split, list[Mapping[str, object]]] = {"train": list(train), "test": list(test)}
        for split in rows:
            if not rows[split]:
                raise UserError(f"{split} has no rows; give at least one, {{'prompt': ...}}")
        columns = passed_columns(rows["train"][0], PROMPT)
        self._questions = {split: make_questions(rows[split], columns, split) for split in rows}
        self._rewards = WeightedRewards([(reward, 1.0)])

    def questions(self, split: Split) -> Sequence[Question]:
        """In the order of the rows."""
        return self._questions[split]

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """What the reward function says of each response."""
        return self._rewards(questions, responses)


class WeightedRewards:
    """The weighted sum of what several functions say; those that say None of a response are left out, as in TRL.

    Where all say None the reward is 0 and the outcome unparseable.
    """

    def __init__(self, functions: Sequence[tuple[RewardFunction, float]]):
        self._functions = functions

    def __call__(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """One judgement a response."""
        if not responses:
            return []
        told = Columns(len(responses))
        rewards = [call_reward(function, questions, responses, told) for function, _ in self._functions]
        weights = [weight for _, weight in self._functions]
        sums = [weighted_sum(of_one, weights) for of_one in zip(*rewards, strict=True)]
        return [judgement(reward, own) for reward, own in zip(sums, told.of_each, strict=True)]


def weighted_sum(rewards: Sequence[float | None], weights: Sequence[float]) -> float | None:
    """Of the rewards there are; None where there are none."""
    said = [float(reward) * weight for reward, weight in zip(rewards, weights, strict=True) if reward is not None]
    return math.fsum(said) if said else None


def call_reward(
    function: RewardFunction, questions: Sequence[Question], responses: Sequence[str], told: Columns
) -> Sequence[float | None]:
    """What one function says, checked. It gets of TRL's keywords those that it takes; `told` takes what it logs."""
    columns = {column: [question.columns[column] for question in questions] for column in questions[0].columns}
    prompts = [as_trl_prompt(question.prompt) for question in questions]
    completions = [
        response if isinstance(prompt, str) else [{"role": "assistant", "content": response}]
        for prompt, response in zip(prompts, responses, strict=True)
    ]
    given = {"prompts": prompts, "completions": completions, **columns}
    extras = keywords(responses, told)
    given |= {name: value for name, value in extras.items() if name not in given and takes(function, name)}
    name = function_name(function)
    try:
        rewards = function(**given)
        if inspect.isawaitable(rewards):
            rewards = asyncio.run(awaited(rewards))
    except Exception as error:
        error.add_note(f"raised by the reward function {name}, called with the keywords {', '.join(given)}")
        raise
    rewards = as_list(rewards)
    check_rewards(rewards, len(responses), name)
    return rewards


async def awaited(rewards: Awaitable[Any]) -> Any:
    """What an async function comes to."""
    return await rewards


def as_list(rewards: Any) -> Any:
    """Arrays, tensors and tuples as the list that they stand for; all else as it is."""
    match rewards:
        case np.ndarray() | torch.Tensor():
            return rewards.tolist()
        case list() | tuple():
            return [
                one.item() if isinstance(one, torch.Tensor | np.ndarray) and one.ndim == 0 else one for one in rewards
            ]
        case _:
            return rewards


def as_trl_prompt(prompt: Prompt) -> str | list[dict[str, Any]]:
    """As the row had it: messages as TRL hands them over."""
    if isinstance(prompt, str | Posed):
        return prompt_text(prompt)
    return [{"role": message.role, "content": message.content, **message.more} for message in messages_of(prompt)]


def passed_columns(row: Mapping[str, object], prompt_column: str) -> list[str]:
    """The columns that functions get besides prompts and completions."""
    columns = [column for column in row if column != prompt_column]
    for column in columns:
        if column in PASSED:
            raise UserError(f"train has a column {column!r}, which reward functions get anyway; rename it")
    return columns


def make_questions(rows: Sequence[Mapping[str, object]], columns: Sequence[str], split: Split) -> list[Question]:
    """One question a row."""
    prompts = read_prompts(rows, PROMPT, split, PLAIN, setting=None)
    require_columns(rows, columns, split)
    return [
        Question(id=f"{split}-{i}", prompt=prompt, answer="", columns={column: row[column] for column in columns})
        for i, (prompt, row) in enumerate(zip(prompts, rows, strict=True))
    ]


def check_rewards(rewards: object, count: int, name: str) -> None:
    """Refuse whatever is not a list of `count` finite numbers or None."""
    fault = find_fault(rewards, count)
    if fault:
        raise UserError(
            f"reward function {name} returned {fault}; "
            f"return a list of {count} finite numbers (or None), one a completion"
        )


def find_fault(rewards: object, count: int) -> str | None:
    """What is wrong with what a reward function returned."""
    if not isinstance(rewards, list):
        return f"{type(rewards).__name__} {one_line(repr(rewards))}"
    if len(rewards) != count:
        return f"{len(rewards)} rewards for {count} completions"
    bad = [reward for reward in rewards if not (reward is None or is_finite(reward))]
    return f"a list with {one_line(repr(bad[0]))} in it" if bad else None


def is_finite(reward: object) -> bool:
    """Whether this is a number, numpy's included, and neither infinite nor nan."""
    return isinstance(reward, Real) and math.isfinite(reward)


def judgement(reward: float | None, told: Mapping[str, object]) -> Judgement:
    """None means that nobody has anything to say."""
    if reward is None:
        return Judgement(reward=0.0, outcome=Outcome.UNPARSEABLE, told=told)
    return Judgement(reward=float(reward), outcome=Outcome.SCORED, told=told)


def function_name(reward: RewardFunction) -> str:
    """A callable object or a partial has no name of its own."""
    return getattr(reward, "__qualname__", repr(reward))
