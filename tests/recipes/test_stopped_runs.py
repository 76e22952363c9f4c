"""Runs whose responses stop strings end: nothing on the way from sampling to the report takes them for cut off."""

import json
from pathlib import Path

import pytest
from small_runs import SETTINGS, metrics_of

from vineppo import RewardTask, Trainer, load_config
from vineppo.tasks.arithmetic import Arithmetic

STOP = "\n"
"""After the first line of a calculation."""
ROWS = [{"prompt": question.prompt} for question in Arithmetic().questions("train")[:24]]


@pytest.mark.parametrize("credit", ["tree", "ppo"])
def test_a_run_learns_from_responses_that_a_stop_string_ended(tmp_path: Path, credit: str):
    judged: list[str] = []

    def last_digit(completions: list[str], **_: object) -> list[float]:
        judged.extend(completions)
        return [int(text[-1]) / 9 for text in completions]

    settings = ["training.iterations=1", f"credit={credit}", 'sampling.stop=["\\n"]', f"run.dir={tmp_path / 'run'}"]
    task = RewardTask(train=ROWS, test=ROWS[:4], reward=last_digit)
    Trainer(load_config(None, [*SETTINGS, *settings]), task=task).train()
    assert not any(STOP in text for text in judged)
    start, after = metrics_of(tmp_path / "run")
    assert start["eval/clipped_ratio"] == after["completions/clipped_ratio"] == 0
    assert after["updates_made"] == after["updates"] > 0
    assert after["grad_norm"] > 0
    (logged,) = (tmp_path / "run" / "trajectories").iterdir()
    for record in map(json.loads, logged.read_text().splitlines()):
        assert record["finish"] == "terminated"
        assert STOP not in record["response"]
        assert "".join(step["text"] for step in record["steps"]) == record["response"]
        assert sum(step["tokens"] for step in record["steps"]) > len(record["steps"])
