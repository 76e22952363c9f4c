"""Steps of a fixed number of tokens."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from vineppo.steps.settings import StepsSettings
from vineppo.types import Trajectory


class TokensSteps(StepsSettings):
    """Steps of a fixed length."""

    name: Literal["tokens"] = "tokens"
    length: int = Field(default=32, ge=1)
    """Tokens a step; the last may be shorter."""

    fixed: ClassVar[bool] = True
    needs_tokens: ClassVar[bool] = True

    def build(self) -> "Tokens":
        """The segmenter."""
        return Tokens(self.length)

    def states(self, length: int, usual: Sequence[int]) -> Sequence[int]:
        """Every so many tokens."""
        return range(0, length, self.length)


class Tokens:
    """A step every `length` tokens; the last may be shorter. Needs no text, so it fits any task."""

    def __init__(self, length: int):
        self._length = length

    def __call__(self, trajectory: Trajectory, token_texts: Sequence[str]) -> tuple[int, ...]:
        """Boundaries in token indices."""
        return (*range(0, len(token_texts), self._length), len(token_texts))
