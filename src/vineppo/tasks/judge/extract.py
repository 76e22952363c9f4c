"""Find the answer in a response. Pure, and linear in the length of the response."""

import re

from vineppo.tasks.judge.verdict import same_answer

BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])\s*")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
"""An escaped character counts for nothing: `\\{` opens no group."""
BARE = re.compile(r"(-?[0-9][0-9.,/]*|[A-Z](?![A-Za-z]))[.,]*")
"""What a box without braces may hold: a number or a letter. `\\boxed` before any other word is a mention of boxes."""
PLACEHOLDER = re.compile(r"(?:\\[lc]?dots|[^A-Za-z0-9\x80-\U0010ffff])*")
THOUGHT = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
MARKDOWN = "*_` \t"
"""Around a marker, and around the answer behind it."""
MOST_BOXES = 20


def read_answer(response: str, marker: str | None) -> str | None:
    """The answer of a response: what follows the last `marker`, or else what stands in its boxes."""
    text = without_thoughts(response)
    return boxed_answer(text) if marker is None else after_marker(text, marker)


def without_thoughts(response: str) -> str:
    """What follows the last closing thinking tag, up to one that is opened and never closed."""
    start, end = 0, len(response)
    for tag in THOUGHT.finditer(response):
        if tag[1]:
            start, end = tag.end(), len(response)
        elif end == len(response):
            end = tag.start()
    return response[start:end]


def boxed_answer(text: str) -> str | None:
    r"""What stands in the box; of several that differ, all of them, as a list.

    So two guesses in two boxes are no right answer to a question with one, and a question with two answers may have
    them in two boxes.
    """
    return ", ".join(different_boxes(text)) or None


def different_boxes(text: str) -> list[str]:
    """The contents of the boxes, each answer once."""
    found = boxes(text)
    return [box for at, box in enumerate(found) if not any(same_answer(box, other) for other in found[:at])]


def boxes(text: str) -> list[str]:
    r"""The distinct contents of all `\boxed{}` and `\fbox{}`, in order; none where one of them has no end.

    An earlier box is no substitute for one that is broken: whoever opens another one has withdrawn it. A box without
    a letter or a digit in it is a mention.
    """
    found: dict[str, None] = {}
    at = 0
    while match := BOX.search(text, at):
        if text[match.end() : match.end() + 1] != "{":
            at = match.end()
            if bare := BARE.match(text, at):
                found[bare[1].rstrip(".,")] = None
            continue
        end = closing(text, match.end())
        if end is None:
            return []
        inside, at = text[match.end() + 1 : end].strip(" \n"), end + 1
        if not PLACEHOLDER.fullmatch(inside):
            found[inside] = None
        if len(found) > MOST_BOXES:
            return []
    return list(found)


def closing(text: str, start: int) -> int | None:
    """Where the group whose brace opens at `start` closes; None where it never does."""
    depth = 0
    for match in BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return None


def after_marker(text: str, marker: str) -> str | None:
    """The line after the last marker; None where there is no marker or nothing after it."""
    _, found, after = text.rpartition(marker)
    if not found:
        return None
    line = after.strip().removeprefix("**").strip().partition("\n")[0].strip()
    return unpaired(line) or None


def unpaired(line: str) -> str:
    """Without Markdown that was opened before the marker, or that surrounds the answer."""
    for mark in ("**", "__", "`"):
        if line.count(mark) % 2:
            line = line.removesuffix(mark).removeprefix(mark)
    return line.strip()
