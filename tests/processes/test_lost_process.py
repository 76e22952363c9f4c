"""A process that dies or falls silent ends the run, with a word and an exit code; the run can be resumed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from launching import log_of, start

from recipes.small_runs import QUICK, metrics_of
from started import finish, send
from vineppo import Trainer, load_config

pytestmark = pytest.mark.slow

TIMEOUT = 8.0
FSDP2 = Path(__file__).resolve().parents[2] / "configs/accelerate/fsdp2.yaml"
LONG = [
    *QUICK,
    "training.iterations=6",
    "run.trajectories_logged=0",
    "learner.learning_rate=1e-4",
    "evaluation.every=0",
    "policy.device=cpu",
]


def wait_for_lines(run: Path, count: int, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not (run / "metrics.jsonl").exists() or len((run / "metrics.jsonl").read_text().splitlines()) < count:
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_others_say_so_and_the_run_resumes(tmp_path: Path, number: signal.Signals):
    run, logs = tmp_path / "run", tmp_path / "logs"
    settings = [*LONG, f"run.dir={run}"]
    processes = start(["-m", "vineppo", "train", *settings, f"processes.timeout={TIMEOUT}"], 2, logs)
    wait_for_lines(run, 3)
    send(processes[1], number)
    before = time.monotonic()
    [code] = finish(processes[:1], seconds=60)
    seconds = time.monotonic() - before
    processes[1].kill()
    assert code == 3, log_of(logs, 0)
    # A closed connection is noticed at once; silence takes the timeout.
    assert seconds < TIMEOUT + (0 if number == signal.SIGKILL else 10)
    assert "process 0 of 2 lost another one" in log_of(logs, 0)
    assert "--resume" in log_of(logs, 0)
    assert_goes_on(settings, run)


def test_one_that_is_told_to_stop_stops_all_with_everything_saved(tmp_path: Path):
    settings = [*LONG, f"run.dir={tmp_path / 'run'}", "checkpoint.every=100", "training.iterations=100"]
    processes = start(["-m", "vineppo", "train", *settings], 2, tmp_path / "logs")
    wait_for_lines(tmp_path / "run", 3)
    send(processes[1], signal.SIGTERM)
    assert finish(processes, seconds=60) == [130, 130]
    assert "--resume continues" in log_of(tmp_path / "logs", 0)
    [checkpoint] = (tmp_path / "run" / "checkpoints").iterdir()
    assert int(checkpoint.name) == metrics_of(tmp_path / "run")[-1]["iteration"]


def test_accelerate_launch_ends_with_an_error_and_one_process_goes_on(tmp_path: Path):
    settings = [*LONG, f"run.dir={tmp_path / 'run'}"]
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(FSDP2), "--num_processes", "2"]
    command += ["--main_process_port", "0", "-m", "vineppo", "train", *settings]
    launcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for_lines(tmp_path / "run", 3)
        children = psutil.Process(launcher.pid).children()
        [victim] = [child for child in children if child.environ().get("RANK") == "1"]
        victim.kill()
        output, _ = launcher.communicate(timeout=60)
    finally:
        launcher.kill()
    assert launcher.returncode != 0
    assert "lost another one" in output or "Signal 9" in output
    assert_goes_on(settings, tmp_path / "run")


def assert_goes_on(settings: list[str], run: Path) -> None:
    assert Trainer(load_config(None, settings), resume=True).train().finished
    assert [line["iteration"] for line in metrics_of(run)] == list(range(7))
