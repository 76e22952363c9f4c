"""Gold answers from dataset rows."""

from collections.abc import Mapping, Sequence

from vineppo.errors import UserError
from vineppo.tasks.judge.extract import BOX, after_marker, last_box
from vineppo.tasks.judge.mathematics import MAX_ANSWER
from vineppo.tasks.rows import one_line, require_columns

COLUMNS = ("answer", "solution", "ground_truth")
"""In the order they are looked for: where there is an answer, a solution is more than is needed."""
MARKER = "####"


def find_answer_column(row: Mapping[str, object]) -> str | None:
    """Which of the usual columns a dataset has."""
    return next((column for column in COLUMNS if column in row), None)


def read_golds(rows: Sequence[Mapping[str, object]], column: str, where: str, marker: str | None) -> list[str]:
    """The gold answer of each row."""
    require_columns(rows, [column], where)
    golds = []
    for number, row in enumerate(rows, 1):
        gold = read_gold(row[column], marker)
        if gold is None or len(gold) > MAX_ANSWER:
            shown = one_line(repr(row[column])[-120:])
            raise UserError(
                f"{where}: column {column!r} of row {number} has no gold answer: {shown}; make it a number, "
                rf"a short text, a solution with \boxed{{}} or one that ends in '{marker or MARKER} 72'"
            )
        golds.append(gold)
    return golds


def read_gold(value: object, marker: str | None) -> str | None:
    """A number as it is; of a text what follows the marker, else what stands in the last box, else all of it."""
    match value:
        case bool() | None:
            return None
        case int() | float():
            return str(value)
        case str(text):
            for known in (marker, MARKER):
                if known and known in text:
                    return after_marker(text, known)
            return last_box(text) if BOX.search(text) else text.strip() or None
        case _:
            return None
