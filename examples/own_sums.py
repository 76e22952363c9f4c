"""A task of your own, in one file. From the repository's root:

vineppo train configs/arithmetic.yaml task=examples/own_sums.py:Sums task.below=30
"""

from collections.abc import Sequence
from itertools import product

from pydantic import Field

from vineppo.rng import generator
from vineppo.seams import Split
from vineppo.tasks.arithmetic import judge_one
from vineppo.tasks.settings import TaskSettings
from vineppo.types import Judgement, Question

TEST = 100
"""Sums kept for evaluation."""


class Sums(TaskSettings):
    """Sums of two numbers; the answer follows `####`."""

    below: int = Field(default=50, ge=20, le=50)
    """The numbers and what they come to."""

    def build(self) -> "SumsOfTwo":
        """The task."""
        return SumsOfTwo(self.below)

    @property
    def unjudged(self) -> str:
        """`vineppo doctor` may try the judge, since `response` says how an answer is written."""
        return ""

    def response(self, answer: str) -> str:
        """A right one."""
        return f"####{answer}"

    def another(self, answer: str) -> str:
        """A wrong answer."""
        return str(int(answer) + 1)


class SumsOfTwo:
    """All pairs that come to less than `below`, in a fixed random order."""

    def __init__(self, below: int):
        pairs = [(a, b) for a, b in product(range(2, below), range(2, 10)) if a + b < below]
        order = generator(0, "sums").permutation(len(pairs))
        questions = [
            Question(id=f"{a}+{b}", prompt=f"{a}+{b}=?\n", answer=str(a + b)) for a, b in (pairs[i] for i in order)
        ]
        self._questions: dict[Split, list[Question]] = {"test": questions[:TEST], "train": questions[TEST:]}

    def questions(self, split: Split) -> Sequence[Question]:
        """No sum is in both."""
        return self._questions[split]

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """1 for the right number."""
        return [judge_one(q.answer, r) for q, r in zip(questions, responses, strict=True)]
