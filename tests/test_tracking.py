"""Experiment trackers: what they are told arrives, and a missing package is found before anything is written."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

from vineppo import cli
from vineppo.errors import UserError
from vineppo.tracking import IDENTITY, TrackerName, build_tracker

QUICK = ["task={name: arithmetic, train_questions: 100, test_questions: 20}", "sampling.max_new_tokens=8"]


def test_no_tracker_is_none(tmp_path: Path):
    assert build_tracker("none", tmp_path, {}) is None
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_gets_every_metric_of_every_iteration(tmp_path: Path):
    pytest.importorskip("tensorboard", reason="tensorboard is optional: pip install 'vineppo[trackers]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tracker = build_tracker("tensorboard", tmp_path, {"credit": {"name": "vine"}})
    assert tracker is not None
    tracker.log({"iteration": 0.0, "eval/accuracy": 0.125}, 0)
    tracker.log({"iteration": 1.0, "reward": 0.5}, 1)
    tracker.log({"iteration": 2.0, "reward": 0.75, "eval/accuracy": 0.25}, 2)
    tracker.close()

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    found = {name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}
    assert found == {
        "iteration": [(0, 0.0), (1, 1.0), (2, 2.0)],
        "eval/accuracy": [(0, 0.125), (2, 0.25)],
        "reward": [(1, 0.5), (2, 0.75)],
    }
    (tag,) = events.Tags()["tensors"]
    assert b"vine" in events.Tensors(tag)[0].tensor_proto.string_val[0]


@pytest.mark.parametrize("name", ["wandb", "trackio", "tensorboard"])
def test_a_package_that_is_not_installed_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: TrackerName
):
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, name, None)  # as Python does where a module is not there
    with pytest.raises(UserError) as caught:
        build_tracker(name, tmp_path, {})
    assert f"run.tracker is '{name}'" in str(caught.value)
    assert "pip install 'vineppo[trackers]'" in str(caught.value)


def test_a_run_whose_tracker_is_missing_leaves_no_directory_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert cli.main(["train", *QUICK, f"run.dir={tmp_path / 'run'}", "run.tracker=wandb"]) == 2
    assert "vineppo[trackers]" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


class Wandb(ModuleType):
    """What is asked of it."""

    def __init__(self, fault: Exception | None = None):
        super().__init__("wandb")
        self.asked: list[dict[str, object]] = []
        self.logged: list[tuple[int, float]] = []
        self.fault = fault

    def init(self, **asked: object) -> None:
        if self.fault:
            raise self.fault
        self.asked.append(asked)

    def log(self, metrics: dict[str, float], step: int) -> None:
        self.logged.append((step, metrics["reward"]))

    def finish(self) -> None:
        pass


def told_twice(name: TrackerName, run: Path) -> None:
    """Four iterations; the run went on after the first, and so made two again."""
    for done, steps in ((None, (0, 1, 2, 3)), (1, (2, 3, 4))):
        tracker = build_tracker(name, run, {"credit": {"name": "vine"}}, done=done)
        assert tracker is not None
        for step in steps:
            tracker.log({"reward": step / 2}, step)
        tracker.close()


ONCE = [(step, step / 2) for step in range(5)]


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_resumed_run_goes_on_in_the_trackers_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: TrackerName):
    module = Wandb()
    monkeypatch.setitem(sys.modules, name, module)
    told_twice(name, tmp_path)
    assert module.logged == ONCE
    key = "id" if name == "wandb" else "name"
    assert module.asked[0][key] == module.asked[1][key]
    assert module.asked[1]["resume"] == "allow"
    build_tracker(name, tmp_path, {})  # a run that starts anew is another one
    assert module.asked[2][key] != module.asked[0][key]


def test_another_tracker_begins_a_run_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("wandb", "trackio"):
        monkeypatch.setitem(sys.modules, name, Wandb())
    build_tracker("wandb", tmp_path, {})
    build_tracker("trackio", tmp_path, {}, done=3)
    [asked] = sys.modules["trackio"].asked
    assert asked["resume"] == "never"


def test_the_real_trackio_has_every_step_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("trackio", reason="trackio is optional: pip install 'vineppo[trackers]'")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    # trackio reads its place when it is imported, so it is asked in a process of its own.
    in_a_process("trackio", tmp_path)
    with closing(sqlite3.connect(tmp_path / "trackio" / "vineppo.db")) as database:
        rows = database.execute("SELECT run_name, step, metrics FROM metrics ORDER BY step").fetchall()
    assert [(step, json.loads(metrics)["reward"]) for _, step, metrics in rows] == ONCE
    assert len({name for name, _, _ in rows}) == 1


def test_the_real_wandb_goes_on_offline_and_wants_a_key_online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("wandb", reason="wandb is optional: pip install 'vineppo[trackers]'")
    for name in ("HOME", "WANDB_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    in_a_process("wandb", tmp_path)
    files = sorted((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 2
    assert {file.stem for file in files} == {f"run-{json.loads((tmp_path / 'run' / IDENTITY).read_text())['run']}"}
    monkeypatch.setenv("WANDB_MODE", "online")
    said = in_a_process("wandb", tmp_path / "online", fails=True)
    assert "UserError: run.tracker is 'wandb', which does not start" in said
    assert "wandb login" in said.splitlines()[-1]


def in_a_process(name: str, folder: Path, *, fails: bool = False) -> str:
    run = str(folder / "run")
    code = f"from test_tracking import told_twice; from pathlib import Path; told_twice({name!r}, Path({run!r}))"
    (folder / "run").mkdir(parents=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr.strip()


def test_a_tracker_that_does_not_start_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "wandb", Wandb(fault=RuntimeError("No API key configured.")))
    with pytest.raises(UserError, match=r"No API key configured.*wandb login"):
        build_tracker("wandb", tmp_path, {})
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_shows_no_step_twice(tmp_path: Path):
    pytest.importorskip("tensorboard", reason="tensorboard is optional: pip install 'vineppo[trackers]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for done, steps in ((None, (1, 2, 3)), (1, (2, 3, 4))):
        tracker = build_tracker("tensorboard", tmp_path, {}, done=done)
        assert tracker is not None
        for step in steps:
            tracker.log({"reward": 10.0 * (done or 0) + step}, step)
        tracker.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("reward")] == [(1, 1.0), (2, 12.0), (3, 13.0), (4, 14.0)]
