"""The paper's rule for long pieces: halve them where a reader would pause, inside a formula only if need be.

Between words: after a comma, after ` and`, after a colon, after ` to`. The first kind, in this order, whose place
nearest to the middle leaves both sides long enough is taken. Else in mathematics, in the same manner: after a formula
that ends in a comma, after `=`, `\\equiv`, `+`, `\\cancelto`; from there to the piece's end, words are not looked for.
"""

import re
from collections.abc import Sequence

from vineppo.steps.latex import Span, hide, math_spans

PAUSES = tuple(map(re.compile, (r",", r"\sand(?=\s)", r":", r"\sto(?=\s)")))
OPERATORS = tuple(map(re.compile, (r",\$", r",\\\)", r",\\\]", r"=", r"\\equiv", r"\+", r"\\cancelto")))
SHORTEST_WORDS, SHORTEST_MATH = 40, 20
"""Characters that a cut leaves on either side, at the least."""
FORMULA_WEIGHT = 60
"""A formula counts as so many characters when the middle of a sentence is looked for, however long it is written."""


def break_long_piece(piece: str, longest: int) -> list[int]:
    """Ascending offsets inside the piece where it is cut. A part may stay longer where nothing fits."""
    cuts: list[int] = []
    waiting = [(0, len(piece), False)]
    while waiting:
        start, stop, in_math = waiting.pop()
        part = piece[start:stop]
        if len(part) <= longest:
            continue
        pause = None if in_math else cut_words(part)
        cut = cut_math(part) if pause is None else pause
        if cut is not None:
            cuts.append(start + cut)
            waiting += [(start, start + cut, in_math), (start + cut, stop, in_math or pause is None)]
    return sorted(cuts)


def cut_words(part: str) -> int | None:
    """Where to halve a sentence, outside its formulas."""
    spans = math_spans(part)
    hidden = hide(part, spans, length=FORMULA_WEIGHT)
    for pattern in PAUSES:
        nearest = nearest_to_middle(pattern, hidden)
        if nearest is not None:
            cut = offset_in_part(nearest, spans)
            if min(cut, len(part) - cut) >= SHORTEST_WORDS:
                return cut
    return None


def cut_math(part: str) -> int | None:
    """Where to halve a formula, or a sentence that words do not divide."""
    for pattern in OPERATORS:
        nearest = nearest_to_middle(pattern, part)
        if nearest is not None and min(nearest, len(part) - nearest) >= SHORTEST_MATH:
            return nearest
    return None


def nearest_to_middle(pattern: re.Pattern[str], text: str) -> int | None:
    """The end of the match nearest to the middle; the first of two that are equally near."""
    ends = [match.end() for match in pattern.finditer(text)]
    return min(ends, key=lambda end: abs(len(text) - 2 * end), default=None)


def offset_in_part(offset: int, spans: Sequence[Span]) -> int:
    """From an offset where every formula counts FORMULA_WEIGHT to the one where it has its own length."""
    for start, stop in spans:
        if start < offset:
            offset += stop - start - FORMULA_WEIGHT
    return offset
