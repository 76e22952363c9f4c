"""Steps between delimiters, e.g. paragraphs."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from vineppo.steps.bounds import token_bounds
from vineppo.steps.settings import StepsSettings
from vineppo.types import Trajectory


class DelimiterSteps(StepsSettings):
    """A step ends with a given text."""

    name: Literal["delimiter"] = "delimiter"
    delimiter: str = Field(default="\n\n", min_length=1)
    """The end of a step; the default cuts into paragraphs."""

    def build(self) -> "Delimiter":
        """The segmenter."""
        return Delimiter(self.delimiter)


class Delimiter:
    """A step ends with `delimiter`. What is blank between two of them belongs to the step before, at first to the next.

    A token that holds the delimiter and the next step's first letters stays with the step that it begins in.
    """

    def __init__(self, delimiter: str = "\n\n"):
        self._delimiter = delimiter

    def __call__(self, trajectory: Trajectory, token_texts: Sequence[str]) -> tuple[int, ...]:
        """Boundaries in token indices."""
        return token_bounds(delimited_starts("".join(token_texts), self._delimiter), token_texts)


def delimited_starts(text: str, delimiter: str) -> list[int]:
    """Character offsets where a step after the first begins."""
    starts, offset, seen_text = [], 0, False
    for part in text.split(delimiter):
        if part.strip():
            if seen_text:
                starts.append(offset)
            seen_text = True
        offset += len(part) + len(delimiter)
    return starts
