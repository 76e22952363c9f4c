"""One writer for a directory, across processes and within one; nothing is left to clear away."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from together import together
from vineppo import Trainer, load_config
from vineppo.errors import UserError
from vineppo.lock import DirectoryLock
from vineppo.processes import Processes
from vineppo.run_dir import lock_run_dir

HOLD = """
import sys
from pathlib import Path
from vineppo.lock import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]), setting="run.dir")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path):
    """Another process that holds the directory."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_told_who_holds_the_directory(tmp_path: Path, other: subprocess.Popen[str]):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "run")  # another name of the same directory
    with pytest.raises(UserError) as caught:
        DirectoryLock(link, setting="run.dir")
    assert f"process {other.pid} on {socket.gethostname()}" in str(caught.value)
    assert "give another run.dir" in str(caught.value)


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path, other: subprocess.Popen[str]):
    other.kill()
    other.wait()
    DirectoryLock(tmp_path / "run", setting="run.dir").release()


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_is_refused_before_anything_is_loaded(
    tmp_path: Path, other: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch, resume: bool
):
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("something was loaded first")

    monkeypatch.setattr("vineppo.trainer.build_task", loaded)
    with pytest.raises(UserError, match="is being written by process"):
        Trainer(load_config(None, [f"run.dir={tmp_path / 'run'}"]), resume=resume)


def test_one_process_cannot_hold_a_directory_twice(tmp_path: Path):
    first = DirectoryLock(tmp_path, setting="run.dir")
    with pytest.raises(UserError, match=f"process {os.getpid()}"):
        DirectoryLock(tmp_path, setting="run.dir")
    first.release()
    first.release()  # twice is once
    DirectoryLock(tmp_path, setting="run.dir").release()


def test_what_was_made_for_the_lock_alone_goes_with_it(tmp_path: Path):
    lock = DirectoryLock(tmp_path / "new" / "run", setting="run.dir")
    lock.release()
    assert list(tmp_path.iterdir()) == []
    lock = DirectoryLock(tmp_path / "new" / "run", setting="run.dir")
    (tmp_path / "new" / "run" / "config.yaml").write_text("")
    lock.release()
    assert [path.name for path in (tmp_path / "new" / "run").iterdir()] == ["config.yaml"]


def test_a_start_that_fails_lets_go_of_its_directory(tmp_path: Path):
    settings = [f"run.dir={tmp_path / 'run'}", "task={name: gsm8k, path: ./nowhere}"]
    for _ in range(2):
        with pytest.raises(UserError, match=r"task\.path"):
            Trainer(load_config(None, settings))
    assert list(tmp_path.iterdir()) == []


def test_of_several_processes_the_main_one_holds_it_and_all_are_refused(tmp_path: Path):
    held = together(2, lambda processes: lock_run_dir(tmp_path, processes))

    def refused(processes: Processes) -> str:
        with pytest.raises(UserError) as caught:
            lock_run_dir(tmp_path, processes)
        return str(caught.value)

    one, other = together(2, refused)
    assert one == other
    for lock in held:
        lock.release()
