"""What a part found, as one JSON file that is whole at any moment, however the part ends. Nothing heavy is imported."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from gpu_run.plan import Part

Cell = str | int | float | None
RUNNING, DONE = "running", "done"


@dataclass(kw_only=True, slots=True)
class Table:
    """Rows by name of column. A row that is put again replaces the one with the same first cells."""

    title: str
    keys: int = 1
    """The first so many cells tell rows apart."""
    rows: list[dict[str, Cell]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class Result:
    """Of one part."""

    part: Part
    status: str = RUNNING
    """running, done, or what went wrong in words. One that still says running was cut off together with everything."""
    seconds: float | None = None
    allowed: float | None = None
    """Seconds it could have taken."""
    command: str = ""
    machine: dict[str, str] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Whole or not at all."""
        path = result_path(folder, self.part)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(TypeAdapter(Result).dump_json(self, indent=1))
        os.replace(unfinished, path)


def result_path(folder: Path, part: Part) -> Path:
    """Where it lies."""
    return folder / f"{part}.json"


def read_result(folder: Path, part: Part) -> Result | None:
    """What was saved last; None where the part never wrote."""
    path = result_path(folder, part)
    return TypeAdapter(Result).validate_json(path.read_bytes()) if path.exists() else None


class Sheet:
    """A part's own result while it is filled: on the disk after every row."""

    def __init__(self, result: Result, folder: Path):
        self._result, self._folder = result, folder

    def machine(self, facts: Mapping[str, str]) -> None:
        """What it runs on."""
        self._result.machine.update(facts)
        self._result.save(self._folder)

    def put(self, title: str, row: Mapping[str, Cell], *, keys: int = 1) -> None:
        """Add a row to the table of this title, or replace the one with the same first `keys` cells."""
        table, new = self._table(title, keys), dict(row)
        name = list(new.values())[:keys]
        for place, old in enumerate(table.rows):
            if list(old.values())[:keys] == name:
                table.rows[place] = new
                break
        else:
            table.rows.append(new)
        self._result.save(self._folder)

    def rows(self, title: str) -> list[dict[str, Cell]]:
        """So far."""
        return [dict(row) for table in self._result.tables if table.title == title for row in table.rows]

    def note(self, title: str, text: str) -> None:
        """A sentence below the table."""
        table = self._table(title, 1)
        if text not in table.notes:
            table.notes.append(text)
        self._result.save(self._folder)

    def _table(self, title: str, keys: int) -> Table:
        for table in self._result.tables:
            if table.title == title:
                return table
        self._result.tables.append(Table(title=title, keys=keys))
        return self._result.tables[-1]


BAD = ("failed:", "FAIL", "differs", "too far", "cut off", "some failed")
"""How a cell begins that tells of trouble."""


def troubles(result: Result) -> list[str]:
    """What went wrong, a line each; nothing where all was done and well."""
    own = [] if result.status == DONE else [f"{result.part.title}: {result.status}"]
    empty = [] if result.tables else [f"{result.part.title}: no table"]
    bad = [
        f"{table.title}: {', '.join(str(cell) for cell in row.values() if cell is not None)}"
        for table in result.tables
        for row in table.rows
        if any(isinstance(cell, str) and cell.startswith(BAD) for cell in row.values())
    ]
    return [*own, *empty, *bad]


def failure(error: Exception) -> str:
    """An error as the content of a cell."""
    words = " ".join(str(error).split())
    return f"failed: {type(error).__name__}: {words[:200]}" if words else f"failed: {type(error).__name__}"


def columns(rows: Sequence[Mapping[str, Cell]]) -> list[str]:
    """Of all rows, in the order they first occur."""
    return list(dict.fromkeys(name for row in rows for name in row))
