"""What is to be explained: a question of one's own, a file of them, or the task's own test questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vineppo.errors import UserError
from vineppo.places import nearest
from vineppo.seams import Task
from vineppo.tasks.asked import Asked, make_question
from vineppo.tasks.build import build_task
from vineppo.tasks.rows import parse_row
from vineppo.tasks.settings import TaskSettings
from vineppo.tasks.truncated import with_truncation
from vineppo.types import Question

TASK_QUESTIONS = 4
"""Taken of the task where neither question nor file nor limit is given."""
SOLUTIONS = ("solutions", "solution", "response", "completion")
"""Columns of given solutions, in the order they are looked for; `solutions` is a list."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What the person asked for."""

    question: str | None = None
    answer: str | None = None
    file: Path | None = None
    limit: int | None = None
    """The first so many questions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A question and the solutions given with it; none: they are to be sampled."""

    question: Question
    solutions: tuple[str, ...] = ()


def gather(wanted: Wanted, task: TaskSettings) -> tuple[Task, list[Item]]:
    """The items, and the task that judges them. Raises UserError for what cannot be asked or judged."""
    check(wanted)
    if wanted.file is not None:
        items = read_file(wanted.file, task, wanted.limit)
    elif wanted.question is not None:
        row = {"question": wanted.question} | ({} if wanted.answer is None else {"answer": wanted.answer})
        items = [Item(question=make_question(task, row, id="question"))]
    else:
        own = build_task(task)
        return own, [Item(question=q) for q in own.questions("test")[: wanted.limit or TASK_QUESTIONS]]
    asked = Asked([item.question for item in items], task.verdicts(), rewarded=task.rewarded)
    return with_truncation(asked, task.truncated), items


def check(wanted: Wanted) -> None:
    """Which options go together."""
    if wanted.question is not None and wanted.file is not None:
        raise UserError("--question and --file are both given; give one of them")
    if wanted.answer is not None and wanted.question is None:
        raise UserError("--answer is given without --question; a file has a column answer, a task its own answers")
    if wanted.limit is not None and wanted.limit < 1:
        raise UserError(f"--limit is {wanted.limit}, but must be a whole number >= 1")


def read_file(file: Path, task: TaskSettings, limit: int | None) -> list[Item]:
    """One question a line of a jsonl file."""
    try:
        with file.open("rb") as lines:
            numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
            rows = [(number, parse_row(line, f"{file} line {number}")) for number, line in islice(numbered, limit)]
    except OSError as error:
        raise UserError(
            f"--file {file} cannot be read ({error.strerror}){nearest(file)}; name a jsonl file with columns question "
            "and answer"
        ) from None
    if not rows:
        raise UserError(f"--file {file} is empty; put one JSON object a line there, with columns question and answer")
    return [
        Item(
            question=make_question(task, row, id=f"{file.name} line {number}"),
            solutions=given_solutions(row, where=f"{file} line {number}"),
        )
        for number, row in rows
    ]


def given_solutions(row: Mapping[str, object], *, where: str) -> tuple[str, ...]:
    """Those of the first column that has any."""
    column = next((name for name in SOLUTIONS if row.get(name)), None)
    match row.get(column) if column else ():
        case str(text):
            return (text,)
        case [*texts] if all(isinstance(text, str) and text for text in texts):
            return tuple(map(str, texts))
        case other:
            if column is None:
                return ()
            raise UserError(f"{where}: column {column!r} is {type(other).__name__}; make it a text or a list of texts")


def batches(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """A few at a time, so that what is done is on the disk before the rest."""
    return [items[start : start + size] for start in range(0, len(items), size)]
