"""Rows of one file of a data set: JSON lines, JSON, CSV, Parquet, and the first three compressed with gzip."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from vineppo.errors import UserError
from vineppo.tasks.words import REMEDY, Row, one_line

SUFFIXES = ("jsonl", "json", "parquet")
"""Of a split's file, in the order they are looked for; then those below."""
MORE_SUFFIXES = ("csv", "jsonl.gz", "json.gz", "csv.gz")
POINTER = b"version https://git-lfs"
"""How a file begins that Git LFS has not fetched."""


def suffix_of(file: Path) -> str | None:
    """Which of the known ones a file has."""
    return next((suffix for suffix in (*SUFFIXES, *MORE_SUFFIXES) if file.name.endswith(f".{suffix}")), None)


def read_file(file: Path) -> list[Row]:
    """The rows of one file, read by what its suffix says."""
    with file.open("rb") as opened:
        if opened.read(len(POINTER)) == POINTER:
            raise UserError(f"task.path: {file} is a pointer of Git LFS, not the data; fetch it with `git lfs pull`")
    match suffix_of(file):
        case "jsonl" | "jsonl.gz":
            return read_jsonl(file)
        case "csv" | "csv.gz":
            return read_csv(file)
        case "parquet":
            return load("parquet", None, str(file), split="train", problem=f"task.path: {file} cannot be read")
        case _:
            return load("json", None, str(file), split="train", problem=f"task.path: {file} cannot be read")


def read_jsonl(file: Path) -> list[Row]:
    """One JSON object a line; blank lines are skipped."""
    with opened_plain(file) as lines:
        return [
            parse_row(line, f"task.path: {file} line {number}") for number, line in enumerate(lines, 1) if line.strip()
        ]


def read_csv(file: Path) -> list[Row]:
    """A header, then a row a line; all values are text, as they stand there."""
    with opened_plain(file) as lines:
        try:
            reader = csv.DictReader(io.TextIOWrapper(lines, encoding="utf-8-sig", newline=""), strict=True)
            rows = list(reader)
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(
                f"task.path: {file} cannot be read as CSV ({one_line(error)}); write it in UTF-8"
            ) from error
    for number, row in enumerate(rows, 1):
        if None in row or None in row.values():
            columns = len(reader.fieldnames or ())
            raise UserError(f"task.path: {file} row {number} does not have the header's {columns} columns; quote texts")
    return [dict(row) for row in rows]


@contextmanager
def opened_plain(file: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, decompressed where it is compressed."""
    try:
        with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as opened:
            yield cast(BinaryIO, opened)
    except (gzip.BadGzipFile, EOFError) as error:
        raise UserError(
            f"task.path: {file} cannot be decompressed ({one_line(error)}); compress it with gzip"
        ) from error


def parse_row(line: bytes, where: str) -> Row:
    """One line of a jsonl file. `where` opens the message: which line this is."""
    try:
        row = json.loads(line)
    except ValueError as error:
        reason = one_line(error).replace("line 1 ", "")  # each line is parsed alone
        raise UserError(f"{where} is no JSON ({reason}); write one JSON object a line") from error
    if not isinstance(row, dict):
        raise UserError(f"{where} is a JSON {type(row).__name__}, not an object; write one JSON object a line")
    return row


def load(
    name: str,
    subset: str | None,
    file: str | None,
    *,
    split: str,
    problem: str,
    reason: str | None = None,
    remedy: str = REMEDY,
) -> list[Row]:
    """Rows by way of the `datasets` library, which takes seconds to import. `problem` opens the message, `remedy` ends
    it; `reason`: instead of what the library says."""
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    try:
        return load_dataset(name, subset, data_files=file, split=split).to_list()
    except (OSError, ValueError, DatasetsError) as error:
        raise UserError(f"{problem} ({reason or one_line(error)}); {remedy}") from error
    except RuntimeError as error:
        if "script" not in str(error):
            raise
        raise UserError(
            f"task.path {name!r} is a dataset made by a script of its own, which is not run ({one_line(error)}); take "
            "its version in Parquet (a branch refs/convert/parquet or another upload), or save its rows as jsonl"
        ) from error
