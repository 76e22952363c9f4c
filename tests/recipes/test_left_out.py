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
        "task={fewest_operations: 1, truncated: left_out}",
        method,
    ]
    for limit in (3, 16):  # one to three lines of 6 tokens: nothing ends; some do
        run = tmp_path / str(limit)
        Trainer(load_config(None, [*settings, f"sampling.max_new_tokens={limit}", f"run.dir={run}"])).train()
        last = metrics_of(run)[-1]
        assert last["completions/left_out"] == last["completions/clipped_ratio"]
        if limit == 3:
            assert last["completions/left_out"] == 1
            assert last.get("updates_made", 0) == 0


def test_a_critics_warm_up_does_not_shift_the_policys_schedule(tmp_path: Path):
    """The policy learns in the last two of three iterations: its learning rate begins at its peak and ends near 0."""
    credit = "credit={name: ppo, critic_warmup_iterations: 1}"
    settings = [
        *QUICK,
        "training={iterations: 3, questions: 2, trajectories: 2}",
        credit,
        f"run.dir={tmp_path / 'run'}",
    ]
    learner = "learner={minibatch: 4, micro_batch: 4, epochs: 1, warmup_ratio: 0, learning_rate: 1.0e-3}"
    Trainer(load_config(None, [*settings, learner, "evaluation={every: 0, questions: 1}"])).train()
    rates = [line.get("learning_rate") for line in metrics_of(tmp_path / "run")]
    assert rates == [None, None, 1e-3, 5e-4]
