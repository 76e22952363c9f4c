"""Folders that a command writes into: new, or empty."""

from collections.abc import Callable
from pathlib import Path

from vineppo.disk import write_folder
from vineppo.errors import UserError
from vineppo.lock import LOCK


def check_empty(folder: Path, setting: str) -> None:
    """Raise UserError where something is there already, or nothing can be. `setting` names the folder."""
    try:
        if any(entry.name != LOCK for entry in folder.iterdir()):
            raise UserError(f"{setting} {folder} is not empty; give another {setting}, or delete it")
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{setting} {folder} cannot be written ({error.strerror}); give another {setting}") from error


def free_folder(name: str) -> Path:
    """The first of runs/NAME-1, -2, ... that is not there yet."""
    number = 1
    while (folder := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return folder


def fill_folder(folder: Path, fill: Callable[[Path], object]) -> None:
    """What `fill` writes, or nothing where it fails. The folder itself is there already, with the lock in it."""
    whole = folder / "whole"
    write_folder(whole, fill)
    for path in whole.iterdir():
        path.replace(folder / path.name)
    whole.rmdir()
