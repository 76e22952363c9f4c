"""Trajectories that are left out take part in no update, and the schedule does not notice."""

from pathlib import Path

import pytest
from small_runs import QUICK, metrics_of

from vineppo import Trainer, load_config


@pytest.mark.parametrize(
    "method",
    [
        "credit=grpo",
        "credit=coupled",
        "credit=ppo",
        "recipe={name: rest_em, validation_questions: 0}",
        "recipe=dpo_positive",
    ],
)
def test_a_run_whose_trajectories_are_partly_or_all_left_out(tmp_path: Path, method: str):
    settings = [
        *QUICK,
        "training.iterations=1",
        "evaluation={every: 0, questions: 2}",
        "task.truncated=left_out",
        method,
    ]
    for limit in (3, 46):  # of 8 lines with 6 tokens: nothing ends; some do
        run = tmp_path / str(limit)
        Trainer(load_config(None, [*settings, f"sampling.max_new_tokens={limit}", f"run.dir={run}"])).train()
        last = metrics_of(run)[-1]
        assert last["completions/left_out"] == last["completions/clipped_ratio"]
        if limit == 3:
            assert last["completions/left_out"] == 1
            assert last.get("updates_made", 0) == 0
