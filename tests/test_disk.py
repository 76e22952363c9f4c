"""Files that appear whole or not at all, on a disk that is full."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vineppo.disk import append_line, is_full, write_atomically, write_folder
from vineppo.errors import UserError

FULL = pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])


def no_room(number: int) -> Callable[[int], None]:
    def fsync(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    return fsync


@FULL
def test_a_file_that_finds_no_room_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int):
    file = tmp_path / "summary.json"
    write_atomically(file, "old")
    monkeypatch.setattr(os, "fsync", no_room(number))
    with pytest.raises(UserError, match=r"summary\.json does not fit on the disk.*free some"):
        write_atomically(file, "new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"summary.json": "old"}


@FULL
def test_a_line_that_finds_no_room_leaves_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int):
    file = tmp_path / "metrics.jsonl"
    append_line(file, "first")
    monkeypatch.setattr(os, "fsync", no_room(number))
    with pytest.raises(UserError, match=r"metrics\.jsonl does not fit on the disk"):
        append_line(file, "second")
    assert file.read_text() == "first\n"


def test_a_folder_that_finds_no_room_leaves_the_old_one(tmp_path: Path):
    def fills_up(folder: Path) -> None:
        (folder / "model").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    write_folder(tmp_path / "policy", lambda folder: (folder / "model").write_text("old"))
    with pytest.raises(UserError, match="policy does not fit on the disk"):
        write_folder(tmp_path / "policy", fills_up)
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]
    assert (tmp_path / "policy" / "model").read_text() == "old"


def test_other_errors_stay_what_they_are_and_leave_nothing_either(tmp_path: Path):
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "file", "half a character: \ud800")
    assert list(tmp_path.iterdir()) == []


def hidden(error: BaseException) -> RuntimeError:
    """As torch.save hides what happened to its file."""
    try:
        try:
            raise error
        except type(error):
            raise RuntimeError("unexpected pos 704 vs 598")  # noqa: B904
    except RuntimeError as found:
        return found


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EDQUOT, "x"), True),
        (OSError(errno.EIO, "x"), False),
        (Exception("No space left on device (os error 28)"), True),  # tokenizers
        (hidden(OSError(errno.ENOSPC, "x")), True),
        (hidden(OSError(errno.EIO, "x")), False),
        (ValueError("no"), False),
    ],
)
def test_a_full_disk_is_recognised_behind_what_libraries_raise(error: BaseException, full: bool):
    assert is_full(error) is full
