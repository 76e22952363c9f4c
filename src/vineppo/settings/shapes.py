"""What a response is assumed to look like, and what is decoded from there: the words of an estimate. Torch-free."""

from collections.abc import Sequence
from dataclasses import dataclass

ANSWER = "####"
ANSWER_TOKENS = 3
"""Of the bundled policies: ####, number, end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What one response looks like."""

    length: int
    """L, tokens."""
    states: Sequence[int]
    """[N] where its steps begin."""

    @property
    def left(self) -> int:
        """Tokens of one rollout from each state, as long as what is left of the response."""
        return sum(self.length - at for at in self.states)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollouts:
    """What is decoded for the credit of one trajectory."""

    count: int = 0
    tokens: int = 0


def lines_shape(lines: int, tokens: int, *, answer_is_step: bool) -> Shape:
    """Lines of so many tokens, then the answer: exact for a well-formed response."""
    end = lines * tokens
    return Shape(length=end + ANSWER_TOKENS, states=range(0, end + 1 if answer_is_step else end, tokens))


def even_shape(length: int, steps: int) -> Shape:
    """Steps of the same length, as nearly as tokens allow."""
    steps = min(steps, length)
    return Shape(length=length, states=[k * length // steps for k in range(steps)])


def mean(fewest: int, most: int) -> int:
    """Rounded up."""
    return -(-(fewest + most) // 2)
