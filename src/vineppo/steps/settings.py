"""How a response is cut into steps: what is asked of every way of doing so. Torch-free."""

from collections.abc import Sequence
from typing import ClassVar

from vineppo.seams import Segmenter
from vineppo.settings.strict import Variant


class StepsSettings(Variant):
    """What every segmenter has, and is asked. One of yours says its `name`, `build`, and of the rest what differs."""

    fixed: ClassVar[bool] = False
    """Whether the boundaries are known before a response is."""
    needs_tokens: ClassVar[bool] = False
    """Whether tokens decide, and not characters."""
    needs_logprobs: ClassVar[bool] = False
    """Whether the policy's log-probs decide."""

    def build(self) -> Segmenter:
        """The segmenter."""
        raise NotImplementedError(f"{type(self).__name__}.build")

    def states(self, length: int, usual: Sequence[int]) -> Sequence[int]:
        """Where steps of a response of so many tokens begin. usual: where the task's own steps do, if they are lines or
        sentences."""
        return usual

    def joins(self, line: str) -> bool:
        """Whether a line that begins so belongs to the step before it."""
        return False
