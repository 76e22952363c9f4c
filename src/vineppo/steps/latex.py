"""Where mathematics is in a text. Linear in its length, whatever a policy writes."""

import re
from collections.abc import Sequence

Span = tuple[int, int]
"""First character and the one past the last."""

OPENING = re.compile(r"\\begin\{([^{}\s]{1,40})\}|\[asy\]|\\\(|\\\[|\$\$?|\\.", re.DOTALL)
"""The last alternative is what to pass over: other commands and escaped characters such as `\\$` and `\\\\`."""
ENVIRONMENT_END = re.compile(r"\\end\{([^{}\s]{1,40})\}")
HIDDEN = "\0"
"""Stands for mathematics: neither a letter nor white space nor punctuation."""
CLOSING = {
    "[asy]": re.compile(r"\[/asy\]"),
    r"\(": re.compile(r"\\\)"),
    r"\[": re.compile(r"\\\]"),
    "$$": re.compile(r"\$\$"),
    "$": re.compile(r"(?<!\\)\$(?!\$)"),
}


def math_spans(text: str) -> list[Span]:
    """Outermost formulas, LaTeX environments and Asymptote pictures, delimiters included. What never closes is text."""
    last_end = {end.group(1): end.start() for end in ENVIRONMENT_END.finditer(text)}
    unclosed: set[str] = set()  # openings that nothing closes from here on: do not look again
    spans, at = [], 0
    while opening := OPENING.search(text, at):
        at, sign, environment = opening.end(), opening.group(), opening.group(1)
        if sign in unclosed or not (sign in CLOSING or last_end.get(environment, -1) >= at):
            continue
        pattern = CLOSING.get(sign) or re.compile(re.escape(f"\\end{{{environment}}}"))
        # A formula between single dollars has at least one character.
        if closing := pattern.search(text, at + (sign == "$")):
            at = closing.end()
            spans.append((opening.start(), at))
        else:
            unclosed.add(sign)
    return spans


def hide(text: str, spans: Sequence[Span], *, length: int | None = None) -> str:
    """The text with every span hidden; `length` gives all hidden spans that length, none leaves each its own."""
    parts, at = [], 0
    for start, stop in spans:
        parts += [text[at:start], HIDDEN * (stop - start if length is None else length)]
        at = stop
    return "".join([*parts, text[at:]])
