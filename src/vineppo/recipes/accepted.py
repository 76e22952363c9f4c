"""Which responses a method learns from that only asks whether the judge accepts them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from vineppo.types import Finish, Scored


def is_accepted(scored: Scored, accept: float) -> bool:
    """Ended by itself, and rewarded with at least `accept`."""
    return scored.trajectory.finish is Finish.TERMINATED and scored.reward >= accept


def distinct(scored: Sequence[Scored], indices: Iterable[int]) -> dict[str, list[int]]:
    """By question id, the given responses without repetitions: of equal ones the first."""
    seen: dict[str, dict[tuple[int, ...], int]] = defaultdict(dict)
    for index in indices:
        trajectory = scored[index].trajectory
        seen[trajectory.question.id].setdefault(trajectory.response_ids, index)
    return {question: list(first.values()) for question, first in seen.items()}
