"""From steps to tokens."""

from collections.abc import Sequence
from itertools import pairwise


def spread(per_step: Sequence[float], bounds: Sequence[int]) -> tuple[float, ...]:
    """[T] every token of step k gets per_step[k]; the end-of-sequence token belongs to the last step."""
    return tuple(
        value for value, (start, stop) in zip(per_step, pairwise(bounds), strict=True) for _ in range(start, stop)
    )
