"""Input that cannot work: one line that names the field, the value and the remedy; exit code 2; nothing overwritten."""

import json
import os
import shutil
from pathlib import Path

import pytest
from small_runs import QUICK, SETTINGS, write_random_model

from vineppo import Trainer, load_config
from vineppo.cli import main
from vineppo.recipes import run as run_module


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a refused command."""
    assert main(["train", *arguments]) == 2
    errors = capsys.readouterr().err.strip()
    assert errors.startswith("vineppo: error: ")
    assert "\n" not in errors
    return errors


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    Trainer(load_config(None, [*QUICK, "training.iterations=2", f"run.dir={folder / 'run'}"])).train()
    return folder


@pytest.fixture
def finished_run(trained_once: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    shutil.copytree(trained_once / "run", tmp_path / "run")
    return tmp_path / "run"


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["credit.restarts=-1"], ("credit.restarts", "-1")),
        (["policy.path=nowhere/at/all"], ("policy.path", "nowhere/at/all")),
        (["policy.path=bundled:geometry"], ("policy.path", "bundled:arithmetic")),
        (["policy.device=gpu"], ("policy.device", "gpu")),
        (["credit=grpo", "training={iterations: 1, questions: 8, trajectories: 1}"], ("grpo", "training.trajectories")),
        (["task.operations=400"], ("task.operations", "400", "200")),
    ],
)
def test_settings_that_cannot_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, overrides: list[str], words: tuple[str, ...]
):
    line = refused(capsys, *QUICK, f"run.dir={tmp_path / 'run'}", *overrides)
    assert all(word in line for word in words), line
    assert not (tmp_path / "run").exists()


def test_a_dataset_that_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    line = refused(capsys, *SETTINGS, "task={name: gsm8k, path: ./nowhere}", f"run.dir={tmp_path / 'run'}")
    assert "task.path" in line
    assert "./nowhere" in line


def test_a_config_file_that_is_missing(capsys: pytest.CaptureFixture[str]):
    assert "nowhere.yaml" in refused(capsys, "nowhere.yaml")


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ("", ("task.path", "train")),
        ('{"problem": "1+1?", "answer": "#### 2"}\n', ("question", "problem")),
        ('{"question": "1+1?", "answer": "2"}\n', ("answer", "####")),
        ('{"question": "1+1?"\n', ("train.jsonl",)),
    ],
    ids=["empty", "wrong column", "no gold answer", "broken line"],
)
def test_datasets_that_cannot_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, train: str, words: tuple[str, ...]
):
    (tmp_path / "train.jsonl").write_text(train)
    (tmp_path / "test.jsonl").write_text('{"question": "1+1?", "answer": "#### 2"}\n')
    line = refused(capsys, *SETTINGS, f"task={{name: gsm8k, path: '{tmp_path}'}}", f"run.dir={tmp_path / 'run'}")
    assert all(word in line for word in words), line


def test_a_prompt_longer_than_the_models_context(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    model = write_random_model(tmp_path / "model", ["1+1"], context=64)
    row = json.dumps({"question": "why? " * 80, "answer": "#### 2"}) + "\n"
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text(row * 4)
    task = f"task={{name: gsm8k, path: '{tmp_path}'}}"
    line = refused(capsys, *SETTINGS, task, f"policy.path={model}", f"run.dir={tmp_path / 'run'}")
    assert "context" in line
    assert "64" in line
    assert "train-0" in line


def test_a_run_directory_that_holds_a_run(capsys: pytest.CaptureFixture[str], finished_run: Path):
    before = snapshot(finished_run)
    line = refused(capsys, *QUICK, "training.iterations=2", f"run.dir={finished_run}")
    assert "--resume" in line
    assert snapshot(finished_run) == before


def test_a_run_directory_of_another_config(capsys: pytest.CaptureFixture[str], finished_run: Path):
    before = snapshot(finished_run)
    settings = [*QUICK, "training.iterations=2", "credit.restarts=5", f"run.dir={finished_run}"]
    line = refused(capsys, *settings, "--resume")
    assert "credit.restarts was 0.3 and is now 5" in line
    assert snapshot(finished_run) == before


@pytest.mark.parametrize("damage", ["change", "remove", "manifest"])
def test_a_damaged_checkpoint(capsys: pytest.CaptureFixture[str], finished_run: Path, damage: str):
    folder = finished_run / "checkpoints" / "000002"
    weights = folder / "policy" / "model.safetensors"
    match damage:
        case "change":
            data = bytearray(weights.read_bytes())
            data[-5] ^= 1
            weights.write_bytes(data)
        case "remove":
            weights.unlink()
        case _:
            (folder / "manifest.json").write_text("{")
    before = snapshot(finished_run)
    line = refused(capsys, *QUICK, "training.iterations=2", f"run.dir={finished_run}", "--resume")
    assert str(folder) in line
    assert "delete" in line
    assert snapshot(finished_run) == before


def test_after_deleting_a_damaged_checkpoint_the_one_before_it_serves(finished_run: Path):
    folder = finished_run / "checkpoints" / "000002"
    for file in sorted(folder.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    folder.rmdir()
    config = load_config(None, [*QUICK, "training.iterations=2", f"run.dir={finished_run}"])
    result = Trainer(config, resume=True).train()
    assert result.finished
    assert [line["iteration"] for line in result.metrics] == [0, 1, 2]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_run_directory_without_permission(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    tmp_path.chmod(0o500)
    assert "run.dir" in refused(capsys, *QUICK, f"run.dir={tmp_path / 'run'}")


def test_a_run_directory_below_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    (tmp_path / "file").write_text("")
    line = refused(capsys, *QUICK, f"run.dir={tmp_path / 'file' / 'run'}")
    assert "run.dir" in line
    assert "give another run.dir" in line


def test_bad_input_is_found_before_the_model_is_loaded(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def loaded(*_: object, **__: object):
        raise AssertionError("the model was loaded first")

    monkeypatch.setattr(run_module, "load_policy", loaded)
    (tmp_path / "file").write_text("")
    refused(capsys, *QUICK, f"run.dir={tmp_path / 'file' / 'run'}")
    refused(capsys, *SETTINGS, "task={name: gsm8k, path: ./nowhere}", f"run.dir={tmp_path / 'run'}")


def test_resuming_a_finished_run_changes_nothing(capsys: pytest.CaptureFixture[str], finished_run: Path):
    weights = (finished_run / "policy" / "model.safetensors").read_bytes()
    assert main(["train", *QUICK, "training.iterations=2", f"run.dir={finished_run}", "--resume"]) == 0
    assert (finished_run / "policy" / "model.safetensors").read_bytes() == weights
    assert "finished" in capsys.readouterr().out


def fails(*_: object, **__: object) -> None:
    raise RuntimeError("a reward function's own fault")


def test_a_start_that_failed_does_not_block_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = [*QUICK, "training.iterations=1", f"run.dir={tmp_path / 'run'}"]
    for broken in ("vineppo.recipes.run.evaluate", "vineppo.recipes.sampler.trajectory_metrics"):
        with monkeypatch.context() as patched:
            patched.setattr(broken, fails)
            trainer = Trainer(load_config(None, settings))
            with pytest.raises(RuntimeError, match="own fault"):
                trainer.train()
    changed = [*settings, "credit.restarts=2"]
    result = Trainer(load_config(None, changed)).train()
    assert result.finished
    assert load_config(result.directory / "config.yaml").credit == load_config(None, changed).credit
    assert [line["iteration"] for line in result.metrics] == [0, 1]
