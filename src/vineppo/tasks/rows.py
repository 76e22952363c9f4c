"""Dataset rows: a local folder with one file a split, or a dataset of the Hugging Face Hub."""

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from vineppo.errors import UserError
from vineppo.seams import Split

Row = dict[str, object]

SUFFIXES = ("jsonl", "json", "parquet")
"""Of a split's file, in the order they are looked for."""
HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
REMEDY = "give a folder with train.jsonl and test.jsonl, or a Hub dataset name such as openai/gsm8k"


def read_rows(
    path: str, split: Split, *, subset: str | None, file: str | None = None, hub_split: str | None = None
) -> list[Row]:
    """The rows of one split.

    `path` is a folder, which holds them in `file` (none: one named after the split), or else a Hub name with `subset`
    as its configuration and `hub_split` (none: the same name) as its split.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        rows = read_file(find_file(folder, split) if file is None else named_file(folder, file, split))
    elif folder.exists() or not HUB_NAME.fullmatch(path):
        raise UserError(f"task.path {path!r} is neither a folder nor a Hub dataset name; {REMEDY}")
    else:
        rows = read_hub(path, hub_split or split, subset)
    if not rows:
        raise UserError(f"task.path {path!r} has no rows in split {split!r}; put at least one there")
    return rows


def find_file(folder: Path, split: Split) -> Path:
    """The file of a split in a dataset folder."""
    candidates = [folder / f"{split}.{suffix}" for suffix in SUFFIXES]
    for file in candidates:
        if file.is_file():
            return file
    names = ", ".join(file.name for file in candidates)
    there = ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"
    raise UserError(
        f"task.path '{folder}' has none of {names}; it holds {one_line(there)}; put the {split} split there"
    )


def named_file(folder: Path, name: str, split: Split) -> Path:
    """The file that the configuration names for a split."""
    file = folder / name
    if not file.is_file():
        there = ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"
        raise UserError(
            f"task.{split}_file {name!r} is no file in task.path '{folder}', which holds {one_line(there)}; "
            "name one of them"
        )
    if file.suffix[1:] not in SUFFIXES:
        raise UserError(f"task.{split}_file {name!r} must end in one of .{', .'.join(SUFFIXES)}; convert it")
    return file


def read_file(file: Path) -> list[Row]:
    """The rows of one file, read by what its suffix says."""
    if file.suffix == ".jsonl":
        return read_jsonl(file)
    return load(file.suffix[1:], None, str(file), split="train", problem=f"task.path: {file} cannot be read")


def read_jsonl(file: Path) -> list[Row]:
    """One JSON object a line; blank lines are skipped."""
    with file.open("rb") as lines:
        return [
            parse_row(line, f"task.path: {file} line {number}") for number, line in enumerate(lines, 1) if line.strip()
        ]


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


def read_hub(name: str, split: str, subset: str | None) -> list[Row]:
    """The rows of a Hub dataset's split, from the local cache where it is there."""
    problem = (
        f"task.path {name!r} is no local folder, and the Hub cannot be reached or has no such dataset "
        f"with task.subset {subset!r} and split {split!r}"
    )
    return load(name, subset, None, split=split, problem=problem)


def load(name: str, subset: str | None, file: str | None, *, split: str, problem: str) -> list[Row]:
    """Rows by way of the `datasets` library, which takes seconds to import. `problem` opens the message."""
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    try:
        return load_dataset(name, subset, data_files=file, split=split).to_list()
    except (OSError, ValueError, DatasetsError) as error:
        raise UserError(f"{problem} ({one_line(error)}); {REMEDY}") from error


def require_columns(rows: Sequence[Mapping[str, object]], columns: Sequence[str], where: str) -> None:
    """Every row has every column. `where` opens the message: which rows these are."""
    for number, row in enumerate(rows, 1):
        for column in columns:
            if column not in row:
                near = get_close_matches(column, row, n=1)
                remedy = f"rename {near[0]!r} to {column!r}" if near else f"add {column!r} to every row"
                there = ", ".join(map(repr, row)) or "none"
                raise UserError(f"{where}: row {number} has no column {column!r}, only {there}; {remedy}")


def text_column(rows: Sequence[Mapping[str, object]], column: str, where: str) -> list[str]:
    """One column of all rows, which must be text."""
    require_columns(rows, [column], where)
    texts = []
    for number, row in enumerate(rows, 1):
        value = row[column]
        if not isinstance(value, str):
            got = f"{type(value).__name__} {one_line(repr(value))}"
            raise UserError(f"{where}: column {column!r} of row {number} is {got}; make it a string")
        texts.append(value)
    return texts


def one_line(message: object, limit: int = 160) -> str:
    """A message fit for an error of one line."""
    text = " ".join(str(message).split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
