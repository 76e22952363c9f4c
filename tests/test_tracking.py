"""Experiment trackers: what they are told arrives, and a missing package is found before anything is written."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from vineppo import cli
from vineppo.errors import UserError
from vineppo.tracking import TrackerName, build_tracker

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
        self.fault = fault

    def init(self, **asked: object) -> None:
        if self.fault:
            raise self.fault
        self.asked.append(asked)


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_resumed_run_goes_on_in_the_trackers_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: TrackerName):
    module = Wandb()
    monkeypatch.setitem(sys.modules, name, module)
    for done in (None, 3, 7):
        build_tracker(name, tmp_path, {}, done=done)
    keys = [(asked["name"], asked.get("id")) for asked in module.asked]
    assert len(set(keys)) == 1
    assert [asked["resume"] for asked in module.asked[1:]] == ["allow", "allow"]
    build_tracker("wandb" if name == "wandb" else "none", tmp_path, {})  # a run that starts anew is another one
    assert name == "trackio" or module.asked[-1]["id"] != module.asked[0]["id"]


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
