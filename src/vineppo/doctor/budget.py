"""How long the checks may take: a large model on a slow machine has to be looked at in less detail."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MARGIN = 1.25
"""A look is expected to take so many times as long as the small one before says: it is never known exactly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """Of a look: so many questions, trajectories of each, and tokens at most in each."""

    questions: int
    count: int
    tokens: int

    @property
    def total(self) -> int:
        """Tokens, at most."""
        return self.questions * self.count * self.tokens


SIZES = (
    Size(questions=8, count=4, tokens=128),
    Size(questions=8, count=4, tokens=32),
    Size(questions=4, count=4, tokens=16),
    Size(questions=2, count=2, tokens=8),
)
"""The last one is always taken first: it says how long the others would take."""


class Budget:
    """Seconds of the wall clock, from its making on."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic):
        self.seconds, self._clock = seconds, clock
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        """Never below 0."""
        return max(0.0, self._end - self._clock())

    def timed(self) -> Callable[[], float]:
        """Seconds from now on."""
        began = self._clock()
        return lambda: self._clock() - began

    def largest(self, seconds: float, *, passes: float, sizes: Sequence[Size] = SIZES) -> Size | None:
        """The largest look that fits `passes` times into what is left, when the smallest took `seconds`.

        None where not even the smallest does.
        """
        smallest = sizes[-1].total
        fits = (size for size in sizes if MARGIN * passes * seconds * size.total / smallest <= self.left)
        return next(fits, None)
