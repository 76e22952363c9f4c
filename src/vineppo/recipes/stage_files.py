"""Products of a stage that takes long, in parts: one JSONL file a part, which appears whole or not at all.

A run that is interrupted finds the parts that are there, and makes the others: the same ones, whatever was there.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vineppo.disk import write_atomically
from vineppo.errors import UserError
from vineppo.processes import Processes

Row = dict[str, Any]
"""Of JSON's types."""


def part_of(folder: Path, part: int, processes: Processes, make: Callable[[], list[Row]]) -> list[Row]:
    """The rows of a part, made where they are not there yet. All processes get those that were written."""
    path = folder / f"{part:06d}.jsonl"
    known = processes.from_main(read_rows(path) if processes.is_main and path.exists() else None)
    if known is not None:
        return known
    rows = processes.from_main(make())
    if processes.is_main:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return rows


def read_rows(path: Path) -> list[Row]:
    """One a line. Raises UserError for what is none."""
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); delete it, and it is made again") from error
