"""The mathematics judge: outcomes of many answers, nothing judged twice."""

from collections.abc import Sequence
from functools import lru_cache

from vineppo.tasks.judge.verdict import judge
from vineppo.types import Outcome


class MathJudge:
    """Outcomes of (answer, gold) pairs. `cached` of them are remembered: no verdict depends on when it was made."""

    def __init__(self, *, cached: int = 100_000):
        self._outcome = lru_cache(maxsize=cached)(outcome)

    def outcomes(self, answers: Sequence[str | None], golds: Sequence[str]) -> list[Outcome]:
        """One outcome a pair; an answer of None was not found in its response."""
        return [self._outcome(answer, gold) for answer, gold in zip(answers, golds, strict=True)]


def outcome(answer: str | None, gold: str) -> Outcome:
    """Without the reasons."""
    return judge(answer, gold).outcome
