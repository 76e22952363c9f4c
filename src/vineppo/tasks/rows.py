"""Dataset rows: a local folder or file, or a dataset of the Hugging Face Hub."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from vineppo.errors import UserError
from vineppo.hub import asked_once
from vineppo.places import may_be_hub_name, nearest
from vineppo.seams import Split
from vineppo.tasks.files import MORE_SUFFIXES, SUFFIXES, load, parse_row, read_file, read_jsonl, suffix_of
from vineppo.tasks.splits import hold_out, parse_split
from vineppo.tasks.words import REMEDY, Row, one_line

__all__ = ["Row", "one_line", "parse_row", "read_file", "read_jsonl", "read_rows", "read_splits", "require_columns"]

SHARD = re.compile(r"-(?P<number>\d+)(-of-(?P<count>\d+))?([-.].*)?")
"""What follows a split's name where it lies in several files."""
QUESTIONS = ("question", "problem", "query", "instruction", "input", "text", "messages")
"""Usual names of a column of prompts."""
DISK_DICT, DISK_ONE = "dataset_dict.json", "state.json"
"""Files of a folder that `save_to_disk` made: of several splits, of one."""


def read_splits(
    path: str,
    *,
    subset: str | None = None,
    files: tuple[str | None, str | None] = (None, None),
    splits: tuple[str, str] = ("train", "test"),
    held_out: int | float | None = None,
    seed: int = 0,
) -> tuple[list[Row], list[Row]]:
    """Train rows and test rows. `held_out`: there is no test split, so many rows of the train split make one."""
    train = read_rows(path, "train", subset=subset, file=files[0], hub_split=splits[0])
    if held_out is not None:
        return hold_out(train, held_out, seed=seed)
    return train, read_rows(path, "test", subset=subset, file=files[1], hub_split=splits[1])


def read_rows(
    path: str, split: Split, *, subset: str | None, file: str | None = None, hub_split: str | None = None
) -> list[Row]:
    """The rows of one split.

    `path` is a folder, which holds them in `file` (none: one named after the split), a file, or else a Hub name with
    `subset` as its configuration. `hub_split` says which rows: a split's name, perhaps with a range; none: `split`.
    """
    place, wanted = Path(path).expanduser(), hub_split or split
    if place.is_dir() or (place.is_file() and suffix_of(place)):
        parts = parse_split(wanted, f"task.{split}_split")
        rows = [row for part in parts for row in part.of(read_local(place, split, part.name, subset, file))]
    elif place.is_file():
        known = ", .".join((*SUFFIXES, *MORE_SUFFIXES))
        raise UserError(f"task.path {path!r} is a file that does not end in one of .{known}; convert or rename it")
    elif not may_be_hub_name(path):
        raise UserError(f"task.path {path!r} is neither a folder nor a Hub dataset name{nearest(place)}; {REMEDY}")
    else:
        rows = read_hub(path, wanted, subset)
    if not rows:
        raise UserError(f"task.path {path!r} has no rows in split {wanted!r}; put at least one there")
    return rows


def read_local(place: Path, split: Split, name: str, subset: str | None, file: str | None) -> list[Row]:
    """All rows of the split `name`, for what the task calls `split`."""
    if file is not None and place.is_dir():
        return read_file(named_file(place, file, split))
    if place.is_file() or (place / DISK_ONE).is_file():
        if name != "train":
            raise UserError(
                f"task.path '{place}' is one table without a split {name!r}; part it with task.held_out=N, or with "
                "ranges: task.train_split='train[:-500]' task.test_split='train[-500:]'"
            )
        return read_file(place) if place.is_file() else read_disk(place)
    if (place / DISK_DICT).is_file():
        folder = place / name
        if not folder.is_dir():
            raise UserError(f"task.path '{place}' has no split {name!r}; it holds {_listing(place)}; name one of them")
        return read_disk(folder)
    return [row for found in find_files(place, name, subset) for row in read_file(found)]


def read_disk(folder: Path) -> list[Row]:
    """What `Dataset.save_to_disk` wrote."""
    from datasets import load_from_disk
    from datasets.exceptions import DatasetsError

    try:
        return load_from_disk(str(folder)).to_list()  # pyright: ignore[reportAttributeAccessIssue]
    except (OSError, ValueError, DatasetsError) as error:
        raise UserError(f"task.path: {folder} cannot be read ({one_line(error)}); {REMEDY}") from error


def find_files(folder: Path, name: str, subset: str | None) -> list[Path]:
    """The files of a split in a dataset folder, as people and as the Hub lay them out: one, or shards."""
    homes = [folder, folder / "data"]
    if subset is not None:
        homes = [folder / subset, folder / "data" / subset, *homes]
    suffixes = (*SUFFIXES, *MORE_SUFFIXES)
    for home in homes:
        for suffix in suffixes:
            if (file := home / f"{name}.{suffix}").is_file():
                return [file]
        for suffix in suffixes:
            if shards := _shards(home, name, suffix):
                return shards
        if (home / name).is_dir() and (inside := sorted(file for file in (home / name).iterdir() if suffix_of(file))):
            return inside
    usual = ", ".join(f"{name}.{suffix}" for suffix in SUFFIXES)
    raise UserError(
        f"task.path '{folder}' has none of {usual}; it holds {one_line(_listing(folder))}; put the {name} split there "
        f"(also as .{', .'.join(MORE_SUFFIXES)} or in shards), or, without a test split, set task.held_out=N"
    )


def _shards(home: Path, name: str, suffix: str) -> list[Path]:
    """Files such as train-00000-of-00002.parquet, in order, none missing."""
    found: dict[Path, int] = {}
    for file in sorted(home.glob(f"{name}-*.{suffix}")):
        part = SHARD.fullmatch(file.name.removesuffix(f".{suffix}").removeprefix(name))
        if part is not None:
            found[file] = int(part["count"] or 0)
    if found and max(found.values()) > len(found):
        raise UserError(
            f"task.path '{home}' has {len(found)} of the {max(found.values())} files of split {name!r}; fetch the "
            "others"
        )
    return list(found)


def named_file(folder: Path, name: str, split: Split) -> Path:
    """The file that the configuration names for a split."""
    file = folder / name
    if not file.is_file():
        raise UserError(
            f"task.{split}_file {name!r} is no file in task.path '{folder}', which holds {one_line(_listing(folder))}; "
            "name one of them"
        )
    if suffix_of(file) is None:
        known = ", .".join((*SUFFIXES, *MORE_SUFFIXES))
        raise UserError(f"task.{split}_file {name!r} must end in one of .{known}; convert it")
    return file


def _listing(folder: Path) -> str:
    return ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"


def read_hub(name: str, split: str, subset: str | None) -> list[Row]:
    """The rows of a Hub dataset's split, from the local cache where it is there."""
    import datasets.config  # noqa: F401 (which looks only once whether the Hub is to be asked)

    with asked_once() as silence:
        missing = f"task.path {name!r} is no folder here{nearest(name)}"
        if silence:
            return load(
                name,
                subset,
                None,
                split=split,
                problem=f"{missing}; as a dataset of the Hub it was never fetched, and the Hub does not answer",
                reason=silence,
                remedy="give a folder with train.jsonl and test.jsonl, or fetch it where there is a network",
            )
        problem = f"{missing}, and the Hub has no such dataset with task.subset {subset!r} and split {split!r}"
        return load(name, subset, None, split=split, problem=problem)


def require_columns(
    rows: Sequence[Mapping[str, object]], columns: Sequence[str], where: str, setting: str | None = None
) -> None:
    """Every row has every column. `where` opens the message: which rows these are; `setting` names the column."""
    for number, row in enumerate(rows, 1):
        for column in columns:
            if column not in row:
                there = ", ".join(map(repr, row)) or "none"
                # What the first row has, too, is not misnamed but missing here.
                remedy = missing_column(column, list(row), setting if number == 1 else None)
                raise UserError(f"{where}: row {number} has no column {column!r}, only {there}; {remedy}")


def missing_column(column: str, there: Sequence[str], setting: str | None) -> str:
    """What to do about it: name another where a setting names it, or change the data."""
    near = get_close_matches(column, there, n=1)
    if setting is not None:
        likely = QUESTIONS if column == "prompt" else ()
        found = near or [name for own in likely for name in get_close_matches(own, there, n=1, cutoff=0.8)]
        return f"set {setting}{found[0]}, or rename it" if found else f"name one of them: {setting}NAME"
    return f"rename {near[0]!r} to {column!r}" if near else f"add {column!r} to every row"


def text_column(rows: Sequence[Mapping[str, object]], column: str, where: str, setting: str | None = None) -> list[str]:
    """One column of all rows, which must be text."""
    require_columns(rows, [column], where, setting)
    texts = []
    for number, row in enumerate(rows, 1):
        value = row[column]
        if not isinstance(value, str):
            got = f"{type(value).__name__} {one_line(repr(value))}"
            raise UserError(f"{where}: column {column!r} of row {number} is {got}; make it a string")
        texts.append(value)
    return texts
