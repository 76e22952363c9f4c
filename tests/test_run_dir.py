"""The run directory: metrics survive a crash, no other run is overwritten, and a run tells where it came from."""

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from vineppo.config.load import load_config
from vineppo.config.schema import Config
from vineppo.errors import UserError
from vineppo.run_dir import RunDir, provenance


def config(*overrides: str) -> Config:
    return load_config(None, overrides)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    directory = RunDir(tmp_path / "run")
    directory.open(config())
    return directory


def iterations(run: RunDir) -> list[float]:
    return [metrics["iteration"] for metrics in run.read_metrics()]


# --- metrics -----------------------------------------------------------------------------------------------------


def test_metrics_come_back_as_they_were_appended(run: RunDir):
    lines = [{"iteration": 0.0, "eval/accuracy": 0.1}, {"iteration": 1.0, "reward": 1 / 3}]
    for line in lines:
        run.append_metrics(line)
    assert run.read_metrics() == lines


def test_a_run_without_metrics_has_none(run: RunDir):
    assert run.read_metrics() == []


@pytest.mark.parametrize("torn", ['{"iteration": 2.0, "rew', '{"iteration": 2.0}', ""])
def test_a_last_line_that_a_crash_cut_short_is_left_out(run: RunDir, torn: str):
    run.append_metrics({"iteration": 0.0})
    run.append_metrics({"iteration": 1.0})
    with run.metrics_file.open("a") as file:
        file.write(torn)
    assert iterations(run) == [0, 1]
    run.rewind_metrics(1)
    run.append_metrics({"iteration": 2.0})
    assert iterations(run) == [0, 1, 2]


def test_a_broken_line_in_the_middle_was_no_crash_and_is_not_passed_over(run: RunDir):
    run.metrics_file.write_text('{"iteration": 0.0\n{"iteration": 1.0}\n')
    with pytest.raises(json.JSONDecodeError):
        run.read_metrics()


@pytest.mark.parametrize(("to", "left"), [(-1, []), (0, [0]), (2, [0, 1, 2]), (9, [0, 1, 2, 3])])
def test_rewinding_forgets_what_came_after(run: RunDir, to: int, left: list[int]):
    for iteration in range(4):
        run.append_metrics({"iteration": float(iteration)})
    run.rewind_metrics(to)
    assert iterations(run) == left


def test_rewinding_before_anything_was_written_is_harmless(run: RunDir):
    run.rewind_metrics(-1)
    assert run.read_metrics() == []


def test_a_metric_that_the_catalogue_does_not_explain_is_refused_and_not_written(run: RunDir):
    with pytest.raises(KeyError, match="rewrad"):
        run.append_metrics({"iteration": 0.0, "rewrad": 1.0})
    assert run.read_metrics() == []


# --- files -------------------------------------------------------------------------------------------------------


def test_trajectories_are_a_json_line_each_readable_by_people(run: RunDir):
    records = [{"question": "q", "response": "你好\n"}, {"question": "r", "response": ""}]
    run.write_trajectories(12, records)
    text = (run.root / "trajectories" / "000012.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line) for line in text.splitlines()] == records
    assert "你好" in text


def test_the_config_is_kept_as_it_was_resolved(run: RunDir):
    assert load_config(run.config_file, []) == config()


def test_opening_again_leaves_what_the_run_was_started_with(run: RunDir):
    before = {path.name: path.read_bytes() for path in run.root.iterdir()}
    run.open(config("training.seed=5"))
    assert {path.name: path.read_bytes() for path in run.root.iterdir()} == before


# --- check -------------------------------------------------------------------------------------------------------


def complaint(run: RunDir, asked: Config, *, resume: bool) -> str:
    with pytest.raises(UserError) as caught:
        run.check(asked, resume=resume)
    return str(caught.value)


def test_a_directory_that_holds_a_run_is_refused_without_resume(run: RunDir):
    assert "--resume" in complaint(run, config(), resume=False)
    run.check(config(), resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_a_directory_that_is_not_there_is_fine_and_is_not_made(tmp_path: Path, resume: bool):
    RunDir(tmp_path / "a" / "b").check(config(), resume=resume)
    assert list(tmp_path.iterdir()) == []


def test_metrics_without_a_config_are_refused(tmp_path: Path):
    (tmp_path / "metrics.jsonl").write_text("")
    assert "no config.yaml" in complaint(RunDir(tmp_path), config(), resume=True)


def test_a_different_config_is_refused_with_each_setting_before_and_now(run: RunDir):
    message = complaint(run, config("credit.restarts=5", "learner.clip=0.1", "run.dir=elsewhere"), resume=True)
    assert "credit.restarts was 0.3 and is now 5.0" in message
    assert "learner.clip was 0.2 and is now 0.1" in message
    assert "elsewhere" not in message


def test_another_credit_is_a_difference_in_all_its_settings(run: RunDir):
    message = complaint(run, config("credit=rloo"), resume=True)
    assert "credit.name was 'tree' and is now 'rloo'" in message
    assert "credit.restarts was 0.3 and is now None" in message


@pytest.mark.parametrize(
    "override",
    [
        "run.dir=elsewhere",
        "run.trajectories_logged=0",
        "run.tracker=tensorboard",
        "checkpoint={every: 7, keep: 1, keep_every: 3}",
        "engine={rows: 3, memory_gib: 0.001}",
        "policy.device=cpu",
        "learner.micro_batch=3",
        "learner.logprob_chunk=7",
        "evaluation={every: 3, samples: 2}",
        "training.iterations=2000",
        "learner.learning_rate=1e-3",
    ],
)
def test_settings_that_do_not_decide_what_is_learned_may_change(run: RunDir, override: str):
    run.check(config(override), resume=True)


@pytest.mark.parametrize(
    "override",
    [
        "policy.path=elsewhere",
        "training.iterations=7",
        "training.seed=1",
        "curriculum.name=epoch",
        "task.operations=3",
        "learner.epochs=1",
    ],
)
def test_settings_that_do_may_not(run: RunDir, override: str):
    assert override.partition("=")[0] in complaint(run, config(override), resume=True)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder that this process may not enter, even when the tests run as root."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o700)


@pytest.mark.parametrize("below", ["", "run", "deeper/run"])
def test_a_place_without_permission_is_refused(locked: Path, below: str):
    assert "cannot be written" in complaint(RunDir(locked / below), config(), resume=False)


def test_a_message_says_what_to_do_otherwise(run: RunDir):
    message = complaint(run, config("credit.restarts=5"), resume=True)
    assert f"policy.path={run.policy} and another run.dir" in message


def test_judge_workers_may_change_but_no_other_limits(tmp_path: Path):
    task = "task={name: math, path: a, judge: {workers: 1}}"
    run = RunDir(tmp_path / "run")
    run.open(config(task))
    run.check(config(task, "task.judge.workers=3"), resume=True)
    assert "task.judge.seconds" in complaint(run, config(task, "task.judge.seconds=9"), resume=True)


def test_evaluation_that_decides_what_rest_em_learns_may_not_change(tmp_path: Path):
    run = RunDir(tmp_path / "run")
    run.open(config("recipe=rest_em"))
    assert "evaluation.samples" in complaint(run, config("recipe=rest_em", "evaluation.samples=3"), resume=True)


def test_what_is_otherwise_from_here_on_is_told_in_the_provenance(run: RunDir):
    before = json.loads((run.root / "provenance.json").read_text())
    asked = config("training.iterations=2000", "learner.micro_batch=3")
    (told,) = run.go_on(asked, {}, 7)
    assert told.startswith("training.iterations was 1000 and is now 2000")
    found = json.loads((run.root / "provenance.json").read_text())
    assert found == {**before, "changed after iteration 7": told}
    assert load_config(run.config_file, []) == asked
    assert run.go_on(asked, {}, 8) == []


def test_model_and_data_may_move_but_not_change(run: RunDir):
    inputs = {"weights": "a", "training questions": "b", "reward functions": "c"}
    run.keep_inputs(inputs)
    run.check(config("policy.path=elsewhere"), resume=True)
    run.check_inputs(inputs)
    with pytest.raises(UserError, match="other training questions than are there now"):
        run.check_inputs({**inputs, "training questions": "B"})
    mended = {**inputs, "reward functions": "C"}
    run.check_inputs(mended)
    assert run.go_on(config(), mended, 3) == ["the files of the reward functions are others than before"]
    assert run.go_on(config(), mended, 4) == []


@pytest.mark.parametrize("damage", ["gone", "shorter", "changed"])
def test_metrics_that_a_checkpoint_knows_of_are_missed(run: RunDir, damage: str):
    run.append_metrics({"iteration": 0.0, "eval/accuracy": 0.5})
    mark = run.metrics_mark()
    run.append_metrics({"iteration": 1.0})
    run.check_metrics(mark)
    text = run.metrics_file.read_text()
    match damage:
        case "gone":
            run.metrics_file.unlink()
        case "shorter":
            run.metrics_file.write_text(text[: mark.length - 3])
        case _:
            run.metrics_file.write_text(text.replace("0.5", "0.7"))
    with pytest.raises(UserError, match=r"metrics\.jsonl .* put it back to resume"):
        run.check_metrics(mark)


# --- provenance --------------------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_a_run_knows_when_and_with_what_it_was_started(run: RunDir):
    found = json.loads((run.root / "provenance.json").read_text())
    assert abs(datetime.now(UTC) - datetime.fromisoformat(found["started"])) < timedelta(minutes=5)
    assert found["torch"] == version("torch")
    assert found.keys() == provenance().keys()


def test_the_git_revision_is_the_working_directorys_and_marks_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert provenance()["git_revision"] == ""
    git(tmp_path, "init")
    (tmp_path / "file").write_text("a")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "first")
    clean = provenance()["git_revision"]
    assert len(clean) == 12
    assert set(clean) <= set("0123456789abcdef")
    (tmp_path / "file").write_text("b")
    assert provenance()["git_revision"] == f"{clean}-dirty"
