"""Response to steps: one file a way of cutting, with its settings; `settings.py` has what is asked of each.

Steps are contiguous token spans that tile the response exactly.

Segmenters that look for boundaries in the text, because that is where a line or a sentence is, find character offsets;
`token_bounds` moves them to tokens: a token belongs to the step in which its first character lies. Nothing is
re-tokenised.
"""

from vineppo.steps.bounds import token_bounds
from vineppo.steps.delimiter import Delimiter
from vineppo.steps.lines import Lines, line_starts
from vineppo.steps.math import Math
from vineppo.steps.pieces import Pieces, TokenTexts, token_texts
from vineppo.steps.tokens import Tokens
from vineppo.steps.uncertain import Uncertain
from vineppo.steps.whole import Whole

__all__ = [
    "Delimiter",
    "Lines",
    "Math",
    "Pieces",
    "TokenTexts",
    "Tokens",
    "Uncertain",
    "Whole",
    "line_starts",
    "token_bounds",
    "token_texts",
]
