"""Steps by line, as the paper cuts GSM8K (arXiv 2410.01679)."""

from collections.abc import Sequence
from typing import Literal

from vineppo.steps.bounds import token_bounds
from vineppo.steps.settings import StepsSettings
from vineppo.types import Trajectory


class LinesSteps(StepsSettings):
    """One step a line."""

    name: Literal["lines"] = "lines"
    answer_prefix: str = "####"
    """A line that starts so states the answer and belongs to the step before it. Empty: every line is a step."""

    def build(self) -> "Lines":
        """The segmenter."""
        return Lines(answer_prefix=self.answer_prefix)

    def joins(self, line: str) -> bool:
        """The answer's line."""
        return self.answer_prefix != "" and line.startswith(self.answer_prefix)


class Lines:
    """One step a line. Blank lines belong to the line before them, leading ones to the first.

    A line that starts with `answer_prefix` states the answer and belongs to the step before it, as in the paper's
    GSM8K splitter. Empty: it is a step of its own.
    """

    def __init__(self, answer_prefix: str = "####"):
        self._answer_prefix = answer_prefix

    def __call__(self, trajectory: Trajectory, token_texts: Sequence[str]) -> tuple[int, ...]:
        """Boundaries in token indices."""
        return token_bounds(line_starts("".join(token_texts), self._answer_prefix), token_texts)


def line_starts(text: str, answer_prefix: str) -> list[int]:
    """Character offsets where a step after the first begins."""
    starts, offset, seen_text = [], 0, False
    for line in text.splitlines(keepends=True):
        is_answer = bool(answer_prefix) and line.lstrip().startswith(answer_prefix)
        if line.strip():
            if seen_text and not is_answer:
                starts.append(offset)
            seen_text = True
        offset += len(line)
    return starts
