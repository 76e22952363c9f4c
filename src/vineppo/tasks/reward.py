"""The Python API's own task: rows of a dataset and a reward function, both in TRL's convention.

    def short(prompts, completions, **columns):
        return [1.0 if len(completion) < 100 else 0.0 for completion in completions]

    RewardTask(train=[{"prompt": "Say hi."}], test=[{"prompt": "Say bye."}], reward=short)

The function sees finished responses only; one cut off by the length limit has reward 0.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real

from vineppo.errors import UserError
from vineppo.seams import Split
from vineppo.tasks.rows import one_line, require_columns, text_column
from vineppo.types import Judgement, Outcome, Question

RewardFunction = Callable[..., Sequence[float | None]]
"""Called with keywords only: `prompts`, `completions` and every further column, all
lists of one length. Returns a list of that length."""

PROMPT = "prompt"
PASSED = ("prompts", "completions")


class RewardTask:
    """Questions are rows with a text column `prompt`; a function scores the responses.

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
        self._columns = [column for column in rows["train"][0] if column != PROMPT]
        for column in self._columns:
            if column in PASSED:
                raise UserError(f"train has a column {column!r}, which reward functions get anyway; rename it")
        self._questions = {split: make_questions(rows[split], self._columns, split) for split in rows}
        self._reward = reward

    def questions(self, split: Split) -> Sequence[Question]:
        """In the order of the rows."""
        return self._questions[split]

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """What the reward function says of each response."""
        if not responses:
            return []
        name = function_name(self._reward)
        columns = {column: [q.columns[column] for q in questions] for column in self._columns}
        try:
            rewards = self._reward(prompts=[q.prompt for q in questions], completions=list(responses), **columns)
        except Exception as error:
            passed = ", ".join([*PASSED, *self._columns])
            error.add_note(f"raised by the reward function {name}, called with the keywords {passed}")
            raise
        check_rewards(rewards, len(responses), name)
        return [judgement(reward) for reward in rewards]


def make_questions(rows: Sequence[Mapping[str, object]], columns: Sequence[str], split: Split) -> list[Question]:
    """One question a row."""
    prompts = text_column(rows, PROMPT, split)
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


def judgement(reward: float | None) -> Judgement:
    """None means that the function has nothing to say."""
    if reward is None:
        return Judgement(reward=0.0, outcome=Outcome.UNPARSEABLE)
    return Judgement(reward=float(reward), outcome=Outcome.SCORED)


def function_name(reward: RewardFunction) -> str:
    """A callable object or a partial has no name of its own."""
    return getattr(reward, "__qualname__", repr(reward))
