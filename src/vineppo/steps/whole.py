"""No steps at all."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from vineppo.steps.settings import StepsSettings
from vineppo.types import Trajectory


class WholeSteps(StepsSettings):
    """The whole response is one step."""

    name: Literal["whole"] = "whole"

    fixed: ClassVar[bool] = True

    def build(self) -> "Whole":
        """The segmenter."""
        return Whole()

    def states(self, length: int, usual: Sequence[int]) -> Sequence[int]:
        """The prompt."""
        return range(1)


class Whole:
    """The whole response is one step: credit assignment falls back to the outcome."""

    def __call__(self, trajectory: Trajectory, token_texts: Sequence[str]) -> tuple[int, ...]:
        """0 and T."""
        return (0, len(token_texts))
