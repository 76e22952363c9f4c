"""Two real processes train what one trains: replicated and sharded, from start to end and across resumes."""

import json
from pathlib import Path

import pytest
import torch
from launching import WORKER, log_of, start
from safetensors.torch import load_file

from recipes.small_runs import QUICK, metrics_of
from started import finish
from vineppo import Trainer, load_config
from vineppo.progress import Display
from vineppo.recipes.sampler import Sampler

pytestmark = pytest.mark.slow

# Less sure of itself than QUICK: where all responses are right, rounding is the gradient, and Adam makes steps of it.
SMALL = [
    *QUICK,
    "task.operations=4",
    "sampling.temperature=1.3",
    "learner={learning_rate: 1.0e-4, minibatch: 8, micro_batch: 3}",
    "evaluation.every=0",
    "run.trajectories_logged=0",
    "policy.device=cpu",
]
CHOICES = {
    "vine": ["training.iterations=2", "credit={name: vine, rollouts: 2}"],
    "ppo": ["training.iterations=3", "credit=ppo"],
    "rollouts": ["training.iterations=2", "credit={name: tree, restarts: 0.5}"],
    "rest_em": ["training.iterations=1", "recipe={name: rest_em, epochs: 2, validation_questions: 8}"],
    "dpo": ["training.iterations=1", "recipe=dpo_positive"],
    "lora": [
        "training.iterations=2",
        "credit=ppo",
        "learner={lora: {rank: 4}, gradient_checkpointing: true}",
    ],
}
BFLOAT16 = ["policy.dtype=bfloat16", "training.iterations=1"]
LOSSES = ("loss/", "critic/loss", "kl", "entropy", "grad_norm", "reward", "eval/accuracy", "tokens/", "ratio/")


def overrides(choice: str, run: Path) -> list[str]:
    return [*SMALL, *CHOICES[choice], f"run.dir={run}"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of each choice: alone/, replicated/ and sharded/. In resumed/ what one process began and two finished, and what
    two made for one to go on with. In bfloat16/ whole weights and adapters, sharded."""
    root = tmp_path_factory.mktemp("runs")
    for choice in CHOICES:
        Trainer(load_config(None, overrides(choice, root / "alone" / choice))).train()
    begin_alone(root / "resumed" / "one-two")
    jobs = [
        *(job("replicated", choice, root) for choice in CHOICES),
        *(job("sharded", choice, root) for choice in CHOICES),
        {"sharded": True, "resume": True, "overrides": overrides("ppo", root / "resumed" / "one-two")},
        {
            "sharded": True,
            "resume": False,
            "overrides": [*overrides("ppo", root / "resumed" / "two-one"), "checkpoint.keep=5"],
        },
        *(
            {
                "sharded": True,
                "resume": False,
                "overrides": [*overrides(choice, root / "bfloat16" / choice), *BFLOAT16],
            }
            for choice in ("vine", "lora")
        ),
    ]
    (root / "jobs.json").write_text(json.dumps(jobs))
    codes = finish(start([str(WORKER), str(root / "jobs.json")], 2, root / "logs"), seconds=500)
    assert codes == [0, 0], log_of(root / "logs", 0) + log_of(root / "logs", 1)
    return root


def job(kind: str, choice: str, root: Path) -> dict[str, object]:
    return {"sharded": kind == "sharded", "resume": False, "overrides": overrides(choice, root / kind / choice)}


def begin_alone(run: Path) -> None:
    sample = Sampler.sample

    def interrupted(sampler: Sampler, iteration: int, display: Display):
        if iteration == 2:
            raise KeyboardInterrupt
        return sample(sampler, iteration, display)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sampler, "sample", interrupted)
        Trainer(load_config(None, overrides("ppo", run))).train()


def assert_same_losses(one: Path, other: Path, *, tolerance: float = 1e-5) -> None:
    lines, others = metrics_of(one), metrics_of(other)
    assert len(lines) == len(others) > 1
    assert all(line["grad_norm"] > 0 for line in lines[1:]), "there is something to agree on"
    for line, found in zip(lines, others, strict=True):
        line, found = ({k: v for k, v in own.items() if not k.startswith("time/")} for own in (line, found))
        assert line.keys() == found.keys()
        for name in line:
            if name.startswith(LOSSES):
                assert found[name] == pytest.approx(line[name], rel=tolerance, abs=tolerance), (line["iteration"], name)


@pytest.mark.parametrize("choice", CHOICES)
def test_two_replicas_have_the_losses_of_one_process(runs: Path, choice: str):
    assert_same_losses(runs / "alone" / choice, runs / "replicated" / choice)


@pytest.mark.parametrize("choice", CHOICES)
def test_two_shards_have_the_losses_of_one_process(runs: Path, choice: str):
    assert_same_losses(runs / "alone" / choice, runs / "sharded" / choice)


@pytest.mark.parametrize("kind", ["replicated", "sharded"])
def test_the_trained_policies_agree(runs: Path, kind: str):
    for choice in ("vine", "lora"):
        one, other = (load_file(runs / k / choice / "policy" / "model.safetensors") for k in ("alone", kind))
        assert one.keys() == other.keys()
        for name, weights in one.items():
            torch.testing.assert_close(other[name], weights, atol=1e-4, rtol=1e-3)


def test_two_processes_go_on_where_one_stopped(runs: Path):
    assert_same_losses(runs / "alone" / "ppo", runs / "resumed" / "one-two")


def test_one_process_goes_on_where_two_stopped(runs: Path):
    run = runs / "resumed" / "two-one"
    for folder in sorted((run / "checkpoints").iterdir())[1:]:
        for file in sorted(folder.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        folder.rmdir()
    Trainer(load_config(None, overrides("ppo", run)), resume=True).train()
    assert_same_losses(runs / "alone" / "ppo", run)


def test_only_the_main_process_prints(runs: Path):
    assert "accuracy" in log_of(runs / "logs", 0)
    assert log_of(runs / "logs", 1) == ""


@pytest.mark.parametrize("choice", ["vine", "lora"])
def test_shards_in_bfloat16_keep_masters_in_float32(runs: Path, choice: str):
    run = runs / "bfloat16" / choice
    assert [line["iteration"] for line in metrics_of(run)] == [0, 1]
    assert all(abs(line["sampler_kl"]) < 0.05 for line in metrics_of(run)[1:])
    saved = load_file(
        run / "policy" / ("model.safetensors" if choice == "vine" else "adapter/adapter_model.safetensors")
    )
    assert {weights.dtype for weights in saved.values()} == {torch.float32}
