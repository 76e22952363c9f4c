"""Solutions of a file: the rows of a jsonl file, or a plain text as a single one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vineppo.errors import UserError
from vineppo.places import nearest
from vineppo.tasks.rows import Row, parse_row, text_column
from vineppo.tasks.settings import TaskSettings
from vineppo.types import Prompt

TEXT_COLUMNS = ("solution", "response", "completion", "answer")
"""Where a solution is looked for, in this order."""
QUESTION_COLUMNS = ("question", "problem")
"""What a task's template makes a prompt of, where there is no column `prompt`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Solution:
    """A text to cut, and the prompt it answers. Empty: not known."""

    text: str
    prompt: Prompt


def read_solutions(file: Path, task: TaskSettings, *, column: str | None, limit: int | None) -> list[Solution]:
    """The first `limit` solutions, none: all. The task's template makes prompts of questions."""
    if limit is not None and limit < 1:
        raise UserError(f"--limit is {limit}, but must be a whole number >= 1")
    try:
        if file.suffix != ".jsonl":
            solutions = whole_text(file, column)
        else:
            with file.open("rb") as lines:
                numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
                rows = [parse_row(line, f"{file} line {number}") for number, line in islice(numbered, limit)]
            solutions = rows_to_solutions(rows, task, column, where=str(file))
    except FileNotFoundError:
        raise UserError(
            f"{file} is not there{nearest(file)}; name a jsonl file with a column of solutions, or a text"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read ({error}); name a jsonl file or a text in UTF-8") from None
    if not any(solution.text for solution in solutions):
        raise UserError(f"{file} holds no solution; put at least one there")
    return solutions


def whole_text(file: Path, column: str | None) -> list[Solution]:
    """A file that is one solution."""
    if column is not None:
        raise UserError(
            f"--column is {column!r}, but {file} is read as plain text, which has none; name a file that ends in .jsonl"
        )
    return [Solution(text=file.read_text(encoding="utf-8"), prompt="")]


def rows_to_solutions(rows: Sequence[Row], task: TaskSettings, column: str | None, *, where: str) -> list[Solution]:
    """Each row's text and prompt."""
    if not rows:
        return []
    texts = text_column(rows, column or find_column(rows, where), where, "--column ")
    return [Solution(text=text, prompt=prompt_of(row, task)) for text, row in zip(texts, rows, strict=True)]


def find_column(rows: Sequence[Row], where: str) -> str:
    """The first of the usual columns that holds text."""
    for name in TEXT_COLUMNS:
        if isinstance(rows[0].get(name), str):
            return name
    there = ", ".join(map(repr, rows[0])) or "none"
    raise UserError(
        f"{where}: row 1 has none of the columns {', '.join(TEXT_COLUMNS)} as text, only {there}; "
        "name the column of the solutions with --column"
    )


def prompt_of(row: Mapping[str, object], task: TaskSettings) -> Prompt:
    """The row's prompt, or the task's for its question; the question itself where the task asks only its own."""
    if isinstance(prompt := row.get("prompt"), str):
        return prompt
    for name in QUESTION_COLUMNS:
        if isinstance(question := row.get(name), str):
            try:
                return task.ask(question, where=name)
            except UserError:
                return question
    return ""
