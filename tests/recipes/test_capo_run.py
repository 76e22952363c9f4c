"""CAPO in whole runs: one command, resumed to the bit, and its critic named in records and metrics."""

import json
from pathlib import Path

import pytest
from small_runs import QUICK, metrics_of, without_time

from vineppo import Trainer, load_config
from vineppo.errors import UserError
from vineppo.types import Question

ROOT = Path(__file__).resolve().parents[2]
CRITIC = [
    "credit=capo",
    "credit.adviser.name=function",
    f"credit.adviser.function={ROOT / 'examples/arithmetic_adviser.py'}:critique",
    "learner={learning_rate: 1.0e-4, schedule: constant, warmup_ratio: 0, minibatch: 8}",
    "evaluation.every=0",
]


def train(run: Path, *overrides: str, resume: bool = False) -> list[dict[str, float]]:
    Trainer(load_config(None, [*QUICK, f"run.dir={run}", *CRITIC, *overrides]), resume=resume).train()
    return metrics_of(run)


def test_a_run_goes_on_to_the_bit(tmp_path: Path):
    whole = train(tmp_path / "whole", "training.iterations=2")
    train(tmp_path / "parts", "training.iterations=1")
    parts = train(tmp_path / "parts", "training.iterations=2", resume=True)
    assert without_time(parts)[-1]["grad_norm"] == without_time(whole)[-1]["grad_norm"]
    assert (tmp_path / "parts/policy/model.safetensors").read_bytes() == (
        tmp_path / "whole/policy/model.safetensors"
    ).read_bytes()
    assert whole[1]["credit/critiques"] > 0
    assert whole[1]["credit/critiques_unparseable"] == 0
    record = json.loads((tmp_path / "whole/trajectories/000001.jsonl").read_text().splitlines()[0])
    wrong = record["critiques"][0]["wrong_steps"]
    advantages = [step["advantage"] for step in record["steps"]]
    assert [advantages[k - 1] for k in wrong] == pytest.approx([min(advantages)] * len(wrong)), "they earn least"


def test_the_exact_critic_knows_right_from_wrong():
    scope: dict = {}
    exec((ROOT / "examples/arithmetic_adviser.py").read_text(), scope)
    question = Question(id="q", prompt="12*7+5=?\n", answer="39")
    assert scope["critique"](question, ["12*7=34\n", "34+5=39\n", "####39"]) == "Wrong steps: none"
    assert scope["critique"](question, ["12*7=35\n", "35+5=40\n", "####40"]) == "Wrong steps: 1"
    assert scope["critique"](question, ["12*7=34\n", "35+5=40\n", "####41"]) == "Wrong steps: 2, 3"
    assert scope["critique"](question, ["####34"]) == "Wrong steps: 1"


def test_without_a_critic_it_does_not_start(tmp_path: Path):
    with pytest.raises(UserError, match=r"credit.adviser.policy.path names no model to ask"):
        Trainer(load_config(None, [*QUICK, f"run.dir={tmp_path / 'run'}", "credit=capo"]))
    assert not (tmp_path / "run").exists()
