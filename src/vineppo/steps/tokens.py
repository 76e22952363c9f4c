"""Steps of a fixed number of tokens."""

from collections.abc import Sequence

from vineppo.types import Trajectory


class Tokens:
    """A step every `length` tokens; the last may be shorter. Needs no text, so it fits any task."""

    def __init__(self, length: int):
        self._length = length

    def __call__(self, trajectory: Trajectory, token_texts: Sequence[str]) -> tuple[int, ...]:
        """Boundaries in token indices."""
        return (*range(0, len(token_texts), self._length), len(token_texts))
