"""Checkpoints: there whole or not at all, and damage is seen."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vineppo.checkpoint import checkpoints, prune_checkpoints, verify_checkpoint, write_checkpoint
from vineppo.disk import write_atomically
from vineppo.errors import UserError


def filled_with(text: str) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        (folder / "weights").write_text(text)
        (folder / "policy").mkdir()
        (folder / "policy" / "config.json").write_text("{}")

    return fill


def dies_half_way(folder: Path) -> None:
    (folder / "weights").write_text("half")
    raise RuntimeError("killed")


def names(root: Path) -> list[str]:
    return [folder.name for folder in checkpoints(root)]


def test_a_checkpoint_holds_what_was_filled_in_and_a_digest_of_every_file(tmp_path: Path):
    folder = write_checkpoint(tmp_path / "new" / "root", 7, filled_with("a"))
    assert folder == tmp_path / "new" / "root" / "000007"
    assert (folder / "weights").read_text() == "a"
    digest_of_a = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"  # sha256sum
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["weights"] == digest_of_a
    assert sorted(manifest) == ["policy/config.json", "weights"]
    verify_checkpoint(folder)


def test_a_fill_that_dies_leaves_no_checkpoint(tmp_path: Path):
    with pytest.raises(RuntimeError, match="killed"):
        write_checkpoint(tmp_path, 1, dies_half_way)
    assert list(tmp_path.iterdir()) == []


def test_a_fill_that_dies_leaves_the_older_ones_intact_even_of_the_same_iteration(tmp_path: Path):
    write_checkpoint(tmp_path, 1, filled_with("one"))
    write_checkpoint(tmp_path, 2, filled_with("two"))
    with pytest.raises(RuntimeError, match="killed"):
        write_checkpoint(tmp_path, 2, dies_half_way)
    assert names(tmp_path) == ["000001", "000002"]
    for folder, text in zip(checkpoints(tmp_path), ("one", "two"), strict=True):
        verify_checkpoint(folder)
        assert (folder / "weights").read_text() == text


def test_what_a_killed_attempt_left_does_not_enter_the_next(tmp_path: Path):
    leftover = tmp_path / "000003.partial"
    leftover.mkdir()
    (leftover / "stale").write_text("")
    folder = write_checkpoint(tmp_path, 3, filled_with("a"))
    assert not (folder / "stale").exists()
    assert not leftover.exists()


def test_writing_an_iteration_again_replaces_it(tmp_path: Path):
    def more(folder: Path) -> None:
        filled_with("old")(folder)
        (folder / "extra").write_text("")

    write_checkpoint(tmp_path, 1, more)
    folder = write_checkpoint(tmp_path, 1, filled_with("new"))
    verify_checkpoint(folder)
    assert (folder / "weights").read_text() == "new"
    assert not (folder / "extra").exists()


def change_a_bit(folder: Path) -> None:
    data = bytearray((folder / "weights").read_bytes())
    data[0] ^= 1
    (folder / "weights").write_bytes(data)


def cut_short(folder: Path) -> None:
    (folder / "weights").write_text("")


def remove(folder: Path) -> None:
    (folder / "policy" / "config.json").unlink()


def remove_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def break_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"weights": ')


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (change_a_bit, "weights"),
        (cut_short, "weights"),
        (remove, "policy/config.json"),
        (remove_manifest, "manifest.json"),
        (break_manifest, "manifest.json"),
    ],
)
def test_damage_is_seen_and_the_remedy_named(tmp_path: Path, damage: Callable[[Path], None], named: str):
    folder = write_checkpoint(tmp_path, 1, filled_with("abc"))
    damage(folder)
    with pytest.raises(UserError) as caught:
        verify_checkpoint(folder)
    assert named in str(caught.value)
    assert f"delete {folder}" in str(caught.value)


def test_checkpoints_are_listed_oldest_first_and_nothing_else_is(tmp_path: Path):
    for iteration in (10, 9, 100):
        write_checkpoint(tmp_path, iteration, filled_with("a"))
    (tmp_path / "000011.partial").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "000012").write_text("a file")
    assert names(tmp_path) == ["000009", "000010", "000100"]


def test_there_are_no_checkpoints_where_there_is_no_folder(tmp_path: Path):
    assert checkpoints(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("keep", "keep_every", "left"),
    [(2, 0, [9, 10]), (1, 4, [4, 8, 10]), (3, 10, [8, 9, 10]), (50, 0, [*range(1, 11)])],
)
def test_pruning_keeps_the_newest_and_the_multiples(tmp_path: Path, keep: int, keep_every: int, left: list[int]):
    for iteration in range(1, 11):
        (tmp_path / f"{iteration:06d}").mkdir()
    prune_checkpoints(tmp_path, keep=keep, keep_every=keep_every)
    assert [int(name) for name in names(tmp_path)] == left


def test_pruning_clears_away_what_killed_attempts_left(tmp_path: Path):
    write_checkpoint(tmp_path, 1, filled_with("a"))
    (tmp_path / "000002.partial").mkdir()
    prune_checkpoints(tmp_path, keep=1, keep_every=0)
    assert [path.name for path in tmp_path.iterdir()] == ["000001"]


def test_a_file_is_replaced_whole(tmp_path: Path):
    file = tmp_path / "file"
    write_atomically(file, "old, and longer")
    with file.open() as reader:
        write_atomically(file, "neu: 你好")
        assert reader.read() == "old, and longer"  # whoever was reading goes on reading the old one
    assert file.read_text(encoding="utf-8") == "neu: 你好"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_content(tmp_path: Path):
    file = tmp_path / "file"
    write_atomically(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(file, "new \ud800")  # half a surrogate pair has no bytes
    assert file.read_text() == "old"


def test_without_one_before_it_none_is_advised(tmp_path: Path):
    folder = write_checkpoint(tmp_path, 1, filled_with("abc"))
    change_a_bit(folder)
    with pytest.raises(UserError, match="there is none before it"):
        verify_checkpoint(folder)
    write_checkpoint(tmp_path, 2, filled_with("abc"))
    change_a_bit(tmp_path / "000002")
    with pytest.raises(UserError, match="the checkpoint before it, 000001"):
        verify_checkpoint(tmp_path / "000002")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_and_leaves_nothing_half_written(tmp_path: Path, number: int):
    def fills_up(folder: Path) -> None:
        (folder / "weights").write_text("half")
        raise OSError(number, os.strerror(number))

    write_checkpoint(tmp_path, 1, filled_with("one"))
    with pytest.raises(UserError, match=r"000002 does not fit on the disk.*--resume"):
        write_checkpoint(tmp_path, 2, fills_up)
    assert [path.name for path in tmp_path.iterdir()] == ["000001"]


def test_every_folder_is_flushed_and_nothing_is_where_that_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    flushed: list[str] = []
    monkeypatch.setattr("vineppo.disk.flush", lambda path: flushed.append(path.name))
    write_checkpoint(tmp_path, 1, filled_with("one"))
    assert {"weights", "config.json", "policy", "manifest.json", "000001.partial", tmp_path.name} == set(flushed)
    assert flushed.index("config.json") < flushed.index("policy") < flushed.index("000001.partial")
    flushed.clear()
    verify_checkpoint(write_checkpoint(tmp_path, 2, filled_with("two"), regular=False))
    assert flushed == []


def test_what_was_written_between_goes_when_the_next_is_there(tmp_path: Path):
    for iteration in range(1, 8):
        write_checkpoint(tmp_path, iteration, filled_with("a"), regular=iteration % 3 == 0)
        prune_checkpoints(tmp_path, keep=2, keep_every=0)
    assert names(tmp_path) == ["000003", "000006", "000007"]
