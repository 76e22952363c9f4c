"""No steps at all."""

from collections.abc import Sequence

from vineppo.types import Trajectory


class Whole:
    """The whole response is one step: credit assignment falls back to the outcome."""

    def __call__(self, trajectory: Trajectory, token_texts: Sequence[str]) -> tuple[int, ...]:
        """0 and T."""
        return (0, len(token_texts))
