"""The parts, their order, and how the time is shared out. Pure; nothing heavy is imported."""

from collections.abc import Sequence
from enum import StrEnum


class Part(StrEnum):
    """In the order they run: what the others rest on comes first."""

    CORRECTNESS = "correctness"
    PROMISES = "promises"
    ROLLOUTS = "rollouts"
    UPDATE = "update"
    MEMORY = "memory"
    LEARNING = "learning"
    REAL = "real"

    @property
    def title(self) -> str:
        """For tables."""
        return {
            Part.CORRECTNESS: "Correctness",
            Part.PROMISES: "What every engine promises",
            Part.ROLLOUTS: "Rollouts",
            Part.UPDATE: "Update",
            Part.MEMORY: "Memory, forecast and measured",
            Part.LEARNING: "Learning",
            Part.REAL: "A real model",
        }[self]


SHARES = {
    "cuda": {
        Part.CORRECTNESS: 6,
        Part.PROMISES: 10,
        Part.ROLLOUTS: 25,
        Part.UPDATE: 10,
        Part.MEMORY: 10,
        Part.LEARNING: 28,
        Part.REAL: 11,
    },
    "cpu": {
        Part.CORRECTNESS: 18,
        Part.PROMISES: 22,
        Part.ROLLOUTS: 10,
        Part.UPDATE: 10,
        Part.MEMORY: 8,
        Part.LEARNING: 26,
        Part.REAL: 6,
    },
}
"""Of the whole time, in hundredths. On a CPU every part ends by itself, and gets what it needs."""

LEAST_SECONDS = 2.0
"""With less a part is not begun."""
RESERVE_SECONDS = 5.0
"""Kept for killing the last part and writing the last table."""


def allowance(waiting: Sequence[Part], seconds_left: float, device: str) -> float:
    """Seconds for the first of the parts that wait: its share of what is left. What one leaves over, the others get."""
    shares = SHARES[device]
    return max(0.0, seconds_left - RESERVE_SECONDS) * shares[waiting[0]] / sum(shares[part] for part in waiting)
