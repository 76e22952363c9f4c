"""One writer for a directory: a lock of the operating system, held for as long as the process lives.

The lock is on a file in the directory, so it holds whatever name the directory goes by, and however the process ends it
is gone with it: nothing has to be cleared away after a crash.
"""

import fcntl
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol

from vineppo.errors import UserError

LOCK = ".lock"


class Lock(Protocol):
    """What is held until it is released."""

    def release(self) -> None:
        """Let others in."""
        ...


class NoLock:
    """Of a process that writes nothing."""

    def release(self) -> None:
        """Nothing to do."""


class DirectoryLock:
    """Held from its making until `release`. Raises UserError when another process, or this one, holds it already.

    `setting` is what names the directory, for the message.
    """

    def __init__(self, directory: Path, *, setting: str):
        self._path = directory / LOCK
        self._made = _make(directory, setting)
        self._file: IO[str] | None = self._acquire(setting)
        try:
            self._file.truncate(0)
            self._file.write(json.dumps(_who_we_are()))
            self._file.flush()
        except OSError as error:
            raise _unwritable(directory, setting, error) from error

    def release(self) -> None:
        """Let others in. A directory that was made for the lock alone is taken away again."""
        if self._file is None:
            return
        # Deleted while it is held: whoever waits on the deleted file finds out, see `_acquire`.
        self._path.unlink(missing_ok=True)
        self._file.close()
        self._file = None
        for folder in self._made:
            try:
                folder.rmdir()
            except OSError:  # it is in use now
                break

    def _acquire(self, setting: str) -> IO[str]:
        while True:
            try:
                file = self._path.open("a+", encoding="utf-8")
            except OSError as error:
                raise _unwritable(self._path.parent, setting, error) from error
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _read_holder(file)
                file.close()
                raise UserError(
                    f"{setting} {self._path.parent} is being written by {holder}; wait until it has ended, or give "
                    f"another {setting}"
                ) from None
            except OSError as error:
                file.close()
                raise UserError(
                    f"{setting} {self._path.parent} is on a disk that knows no locks ({error.strerror}), so two runs "
                    f"could write it unnoticed; give another {setting}"
                ) from error
            if _is_still_there(file, self._path):
                return file
            file.close()  # its holder deleted it between our opening and our locking it


def _make(directory: Path, setting: str) -> list[Path]:
    """The directories that were not there, the innermost first."""
    missing: list[Path] = []
    for folder in (directory, *directory.parents):
        if folder.exists():
            break
        missing.append(folder)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(directory, setting, error) from error
    return missing


def _unwritable(directory: Path, setting: str, error: OSError) -> UserError:
    return UserError(
        f"{setting} {directory} cannot be written ({error.strerror}); give another {setting} or its permissions"
    )


def _is_still_there(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _who_we_are() -> dict[str, object]:
    return {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _read_holder(file: IO[str]) -> str:
    try:
        file.seek(0)
        said = json.loads(file.read())
        return f"process {said['process']} on {said['host']} since {said['since']}"
    except (OSError, ValueError, KeyError, TypeError):  # it is about to say
        return "another process"
