"""Files that appear whole or not at all, and what is said when the disk is full."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vineppo.errors import UserError

PARTIAL = ".partial"
FULL = (errno.ENOSPC, errno.EDQUOT)


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's content in one step: readers see the old or the new, never half. Raises UserError where the disk
    is full."""
    partial = path.with_name(path.name + PARTIAL)
    with room_on_disk(path, leftover=partial):
        partial.write_text(text, encoding="utf-8")
        flush(partial)
        os.replace(partial, path)


def append_line(path: Path, line: str) -> None:
    """One more line, on the disk when this returns. Raises UserError where the disk is full, and leaves none half."""
    is_new = not path.exists()
    before = 0 if is_new else path.stat().st_size
    with room_on_disk(path):
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            os.truncate(path, before)
            raise
    if is_new:
        flush(path.parent)


def write_folder(final: Path, fill: Callable[[Path], object], *, durable: bool = True) -> None:
    """`fill` writes the files into the folder it is given, which then appears in one step, in place of an older one.

    Not durable, it outlives the process, but perhaps not the machine. Raises UserError where the disk is full.
    """
    partial = final.with_name(final.name + PARTIAL)
    with room_on_disk(final, leftover=partial):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        fill(partial)
        if durable:
            for path in sorted(partial.rglob("*"), reverse=True):  # what a folder holds before the folder
                flush(path)
            flush(partial)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        if durable:
            flush(final.parent)


@contextmanager
def room_on_disk(what: Path, *, leftover: Path | None = None) -> Iterator[None]:
    """Say what could not be written on a full disk. Whatever fails, what was left half-way is taken away."""
    try:
        yield
    except BaseException as error:
        if leftover is not None:
            take_away(leftover)
        if not is_full(error):
            raise
        raise UserError(
            f"{what} does not fit on the disk (no space left); free some, or lower checkpoint.keep, then run the same "
            "command again (vineppo train: with --resume)"
        ) from error


def is_full(error: BaseException | None) -> bool:
    """Whether a full disk, or a spent quota, is behind it. Libraries written in other languages tell it in words alone,
    or raise something else while they handle it."""
    while error is not None:
        if (isinstance(error, OSError) and error.errno in FULL) or "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def take_away(path: Path) -> None:
    """A file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """To the disk: a file's content, or a folder's names, so that its files are found after a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
