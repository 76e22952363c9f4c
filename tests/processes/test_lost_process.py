"""A process that dies or falls silent ends the run, with a word and an exit code; the run can be resumed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from launching import finish, log_of, start

from recipes.small_runs import QUICK, metrics_of, without_time
from vineppo import Trainer, load_config

pytestmark = pytest.mark.slow

LONG = [*QUICK, "training.iterations=8", "learner.learning_rate=1e-4", "policy.device=cpu", "checkpoint.keep=9"]


def wait_for_lines(run: Path, count: int, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not (run / "metrics.jsonl").exists() or len((run / "metrics.jsonl").read_text().splitlines()) < count:
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_others_say_so_and_the_run_resumes(tmp_path: Path, number: signal.Signals):
    run, logs = tmp_path / "run", tmp_path / "logs"
    settings = [*LONG, f"run.dir={run}"]
    processes = start(["-m", "vineppo", "train", *settings, "processes.timeout=5"], 2, logs)
    wait_for_lines(run, 3)
    os.kill(processes[1].pid, number)
    before = time.monotonic()
    code = processes[0].wait(60)
    assert time.monotonic() - before < 5 + 20
    finish(processes, logs, seconds=0 if number == signal.SIGKILL else 1) if number == signal.SIGKILL else None
    processes[1].kill()
    assert code == 3
    assert "process 0 of 2 lost another one" in log_of(logs, 0)
    assert "--resume" in log_of(logs, 0)
    assert Trainer(load_config(None, settings), resume=True).train().finished
    assert [line["iteration"] for line in metrics_of(run)] == list(range(9))


def test_accelerate_launch_ends_with_an_error_when_a_process_is_killed(tmp_path: Path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command += ["-m", "vineppo", "train", *LONG, f"run.dir={run}"]
    launcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for_lines(run, 3)
        children = subprocess.run(["pgrep", "-P", str(launcher.pid)], capture_output=True, text=True, check=True)
        os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)
        output, _ = launcher.communicate(timeout=60)
    finally:
        launcher.kill()
    assert launcher.returncode != 0
    assert "Signal 9" in output
    assert without_time(metrics_of(run))[2]["iteration"] == 2
