"""Steps of a mathematical solution: sentences, displayed formulas and their lines.

The rules are those of the paper's MATH splitter (arXiv 2410.01679; LaTeX is hidden, then text is cut):

1. Outside mathematics a step ends after the full stop of a sentence and before a line break, and it ends after a
   formula whose last character is a full stop. Pieces shorter than `shortest` join what follows, save such formulas.
2. Inside mathematics a step ends before a line break. Two characters, or an opening such as `\\[` alone, join what
   follows.
3. What is still longer than `longest` is halved again and again where a reader would pause: see `long_pieces`.

White space belongs to the step it leads to, so that a token such as ` Thus` begins one. Differs from the paper's code
in: overlapping delimiters are read from left to right, and no response is dropped.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Literal

from pydantic import Field

from vineppo.steps.bounds import token_bounds
from vineppo.steps.latex import hide, math_spans
from vineppo.steps.long_pieces import break_long_piece
from vineppo.steps.settings import StepsSettings
from vineppo.types import Trajectory

SENTENCE_END = re.compile(r"(?<!\b[A-Za-z]\.)(?<!\s[A-Za-z][A-Za-z]\.)(?<=\.)(?=\s+[A-Z])")
"""A full stop before a capital; not after one or two letters, which are an initial or an abbreviation."""
FULL_STOP_IN_FORMULA = (".$", ".$$", r".\)", r".\]")
BARE_OPENING = re.compile(r"\s*(?:\$\$?|\\\(|\\\[|\\begin\{[^}]*\}|\[asy\])\s*")
LINE_BREAK = re.compile("\n")


class MathSteps(StepsSettings):
    """Sentences, displayed formulas and their lines, as the paper cuts MATH."""

    name: Literal["math"] = "math"
    shortest: int = Field(default=20, ge=1)
    """Shorter pieces, in characters, join what follows."""
    longest: int | None = Field(default=100, ge=1)
    """Longer pieces, in characters, are cut at commas and, if need be, inside formulas; none never does so."""

    def build(self) -> "Math":
        """The segmenter."""
        return Math(shortest=self.shortest, longest=self.longest)


class Math:
    """Sentences, lines and formulas of a solution with LaTeX; lengths are in characters."""

    def __init__(self, shortest: int = 20, longest: int | None = 100):
        self._shortest = shortest
        self._longest = longest

    def __call__(self, trajectory: Trajectory, token_texts: Sequence[str]) -> tuple[int, ...]:
        """Boundaries in token indices."""
        starts = math_starts("".join(token_texts), shortest=self._shortest, longest=self._longest)
        return token_bounds(starts, token_texts)


def math_starts(text: str, *, shortest: int = 20, longest: int | None = 100) -> list[int]:
    """Character offsets where a step after the first begins."""
    spans = math_spans(text)
    hidden = hide(text, spans)

    def is_fragment(piece: str) -> bool:
        return len(piece) < shortest and not piece.endswith(FULL_STOP_IN_FORMULA)

    cuts = {match.start() for pattern in (SENTENCE_END, LINE_BREAK) for match in pattern.finditer(hidden)}
    cuts |= {stop for start, stop in spans if text.endswith(FULL_STOP_IN_FORMULA, start, stop)}
    cuts = set(join_fragments(text, cuts, is_fragment))
    cuts |= {match.start() for span in spans for match in LINE_BREAK.finditer(text, *span)}
    bounds = join_fragments(text, cuts, lambda piece: len(piece) < 3 or bool(BARE_OPENING.fullmatch(piece)))
    if longest is not None:
        bounds = [
            start + cut for start, stop in pairwise(bounds) for cut in (0, *break_long_piece(text[start:stop], longest))
        ]
    return [at for at in bounds if 0 < at < len(text)]


def join_fragments(text: str, cuts: Iterable[int], is_fragment: Callable[[str], bool]) -> list[int]:
    """Bounds 0 .. len(text) of the pieces between cuts: a fragment joins the next piece, at the end the one before."""
    bounds = [0]
    for cut in sorted(cuts):
        if bounds[-1] < cut < len(text) and not is_fragment(text[bounds[-1] : cut]):
            bounds.append(cut)
    if len(bounds) > 1 and is_fragment(text[bounds[-1] :]):
        bounds.pop()
    return [*bounds, len(text)]
