"""Find the answer in a response. Pure, and linear in the length of the response."""

import re

BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])\s*")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
"""An escaped character counts for nothing: `\\{` opens no group."""
BARE = re.compile(r"[^\s$]*")


def read_answer(response: str, marker: str | None) -> str | None:
    """The answer of a response: what follows the last `marker`, or else what stands in the last box."""
    return last_box(response) if marker is None else after_marker(response, marker)


def last_box(text: str) -> str | None:
    r"""What stands in the last `\boxed{}` or `\fbox{}`; None where there is none, or its braces do not balance.

    An earlier box is no substitute: whoever opens another one has withdrawn it.
    """
    starts = [match.end() for match in BOX.finditer(text)]
    if not starts:
        return None
    start = starts[-1]
    if text[start : start + 1] != "{":
        bare = BARE.match(text, start)
        return bare[0].rstrip(".,") or None if bare else None
    return balanced(text, start)


def balanced(text: str, start: int) -> str | None:
    """The inside of the group whose brace opens at `start`; None where it never closes."""
    depth = 0
    for match in BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return text[start + 1 : match.start()].strip() or None
    return None


def after_marker(text: str, marker: str) -> str | None:
    """The line after the last marker; None where there is no marker or nothing after it."""
    _, found, after = text.rpartition(marker)
    return (after.strip().partition("\n")[0].strip() or None) if found else None
