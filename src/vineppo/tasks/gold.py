"""Gold answers from dataset rows: what cannot be one is refused with its row, what the judge cannot read is counted."""

import math
import re
import sys
from collections.abc import Mapping, Sequence

from vineppo.errors import UserError
from vineppo.tasks.judge.extract import BOX, after_marker, boxed_answer, different_boxes
from vineppo.tasks.judge.verdict import MAX_ANSWER, try_read
from vineppo.tasks.rows import one_line, require_columns

COLUMNS = ("answer", "solution", "ground_truth")
"""In the order they are looked for: where there is an answer, a solution is more than is needed."""
MARKER = "####"


def find_answer_column(row: Mapping[str, object]) -> str | None:
    """Which of the usual columns a dataset has."""
    return next((column for column in COLUMNS if column in row), None)


SPOILT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|[\t\r](?=[a-z])")
"""What JSON makes of a single backslash: a form feed of \\frac, a tab of \\text, a carriage return of \\right."""
MOST_UNREADABLE = 0.1
"""Share of a split's gold answers. Of one that cannot be read only a verbatim copy is right: hardly a signal."""
NAMED = 5
NO_VALUES = ("nan", "none", "null", "<na>")
"""What is left of a missing value that was turned into text."""


def read_golds(rows: Sequence[Mapping[str, object]], column: str, where: str, marker: str | None) -> list[str]:
    """The gold answer of each row. What is peculiar about them is said on standard error."""
    require_columns(rows, [column], where, "task.answer_column=")
    golds = [checked_gold(row[column], marker, column, number, where) for number, row in enumerate(rows, 1)]
    several = [number for number, row in enumerate(rows, 1) if has_several_boxes(row[column], marker)]
    if several:
        tell(f"{where}: {named_rows(several)} with several different boxes in column {column!r}: all must be given")
    check_readable(golds, column, where)
    return golds


def checked_gold(value: object, marker: str | None, column: str, number: int, where: str) -> str:
    """A gold answer, or a complaint about its row."""
    gold = read_gold(value, marker)
    if gold is None or len(gold) > MAX_ANSWER or gold.lower() in NO_VALUES:
        shown = one_line(repr(value)[-120:])
        raise UserError(
            f"{where}: column {column!r} of row {number} has no gold answer: {shown}; make it a number, "
            rf"a short text, a solution with \boxed{{}} or one that ends in '{marker or MARKER} 72'"
        )
    if found := SPOILT.search(gold):
        raise UserError(
            f"{where}: column {column!r} of row {number} holds the control character {found[0]!r} in its gold answer "
            f"{one_line(repr(gold))}: a JSON escape from a single backslash; write two, as in \\\\frac"
        )
    return gold


def has_several_boxes(value: object, marker: str | None) -> bool:
    """Whether a gold solution answers in more than one box."""
    return isinstance(value, str) and not has_marker(value, marker) and len(different_boxes(value)) > 1


def check_readable(golds: Sequence[str], column: str, where: str) -> None:
    """Refuse a split of which the judge cannot read too much; say how much where it is less."""
    numbers = [number for number, gold in enumerate(golds, 1) if try_read(gold).form is None]
    if not numbers:
        return
    shown = "; ".join(
        f"row {number} {one_line(repr(golds[number - 1]), 60)} ({try_read(golds[number - 1]).refusal})"
        for number in numbers[:NAMED]
    )
    share = f"{len(numbers)} of {len(golds)} gold answers in column {column!r} cannot be read: {one_line(shown, 600)}"
    if len(numbers) > MOST_UNREADABLE * len(golds):
        raise UserError(
            f"{where}: {share}; at most {MOST_UNREADABLE:.0%} may be; rewrite them (vineppo judge --gold TEXT --answer "
            "TEXT shows how one is read), or judge with functions of yours (task.rewards)"
        )
    tell(f"{where}: {share}; only a verbatim copy of them is right")


def named_rows(numbers: Sequence[int]) -> str:
    """How many rows, and the first of them."""
    more = ", ..." if len(numbers) > NAMED else ""
    return f"{len(numbers)} row{'s' * (len(numbers) > 1)} ({', '.join(map(str, numbers[:NAMED]))}{more})"


def tell(message: str) -> None:
    """To the person at the keyboard."""
    print(f"vineppo: {message}", file=sys.stderr)


def read_gold(value: object, marker: str | None) -> str | None:
    """A number as it is; of a text what follows the marker, else what stands in its boxes, else all of it."""
    match value:
        case bool() | None:
            return None
        case float() if not math.isfinite(value):
            return None
        case int() | float():
            return str(value)
        case str(text):
            if known := has_marker(text, marker):
                return after_marker(text, known)
            return boxed_answer(text) if BOX.search(text) else text.strip(" \n") or None
        case _:
            return None


def has_marker(text: str, marker: str | None) -> str:
    """The marker that a gold solution has; empty where it has none."""
    return next((known for known in (marker, MARKER) if known and known in text), "")
