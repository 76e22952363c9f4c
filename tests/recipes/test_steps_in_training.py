"""Every way to cut responses trains, and so does the probability mask."""

import json
from pathlib import Path

import pytest
from small_runs import QUICK, metrics_of

from vineppo import Trainer, load_config

FEW = [*QUICK, "credit={name: coupled, rollouts: 1}", "evaluation.questions=2"]


@pytest.mark.parametrize(
    "steps",
    ["lines", "whole", "math", "{name: delimiter, delimiter: '='}", "{name: tokens, length: 5}", "uncertain"],
)
def test_a_run_is_credited_by_its_steps(tmp_path: Path, steps: str):
    overrides = [f"run.dir={tmp_path}", f"steps={steps}", "training.iterations=1", "evaluation.every=0"]
    Trainer(load_config(None, [*FEW, *overrides])).train()
    last = metrics_of(tmp_path)[-1]
    assert last["credit/states"] >= 1
    records = [json.loads(line) for line in (tmp_path / "trajectories" / "000001.jsonl").read_text().splitlines()]
    for record in records:
        assert "".join(step["text"] for step in record["steps"]) == record["response"]


def test_with_a_mask_only_uncertain_tokens_learn(tmp_path: Path):
    overrides = [f"run.dir={tmp_path}", "steps=uncertain", "credit.mask_above=0.9", "training.iterations=1"]
    Trainer(load_config(None, [*FEW, *overrides])).train()
    last = metrics_of(tmp_path)[-1]
    assert 0 < last["credit/tokens_learning"] < 1
