"""True end-to-end runs: they learn, they differ in nothing but credit, and they survive being killed."""

import json
import signal
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_runs import QUICK, SHARED, metrics_of, without_time, write_random_model

from started import finish, send, start
from vineppo import RewardTask, Trainer, load_config
from vineppo.analyze import analyze_credit
from vineppo.cli import main
from vineppo.errors import UserError
from vineppo.progress import Display
from vineppo.recipes.sampler import Sampler
from vineppo.recipes.target import find_target
from vineppo.tasks.custom import CustomTask

ROOT = Path(__file__).resolve().parents[2]
METHODS = ("coupled", "ppo", "grpo", "rloo", "grpo_lambda")
VINE = "credit={name: vine, rollouts: 2}"


def train(run: Path, *overrides: str) -> list[dict[str, float]]:
    Trainer(load_config(None, [*QUICK, f"run.dir={run}", *overrides])).train()
    return metrics_of(run)


@pytest.mark.slow
def test_training_improves_the_starting_policy(tmp_path: Path):
    overrides = [f"run.dir={tmp_path}", "training.iterations=6", "learner.warmup_ratio=0.3"]
    overrides += ["evaluation.every=0", "evaluation.questions=200"]
    Trainer(load_config(ROOT / "configs/arithmetic.yaml", overrides)).train()
    start, end = (line["eval/accuracy"] for line in metrics_of(tmp_path) if "eval/accuracy" in line)
    assert start < 0.2
    assert end > start + 0.25


def first_batch(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "trajectories" / "000001.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The run that nothing interrupted, of each choice: trained once."""

    @cache
    def whole(choice: str) -> Path:
        run = tmp_path_factory.mktemp("whole")
        train(run, *settings_of(choice))
        return run

    return whole


def settings_of(choice: str) -> list[str]:
    return [choice, f"training.iterations={ITERATIONS.get(choice, 2)}", "run.trajectories_logged=16"]


@pytest.mark.parametrize("method", METHODS)
def test_methods_differ_in_nothing_but_credit(wholes: Callable[[str], Path], method: str):
    shared = ("question", "prompt", "response", "reward", "outcome", "finish")
    ours, other = first_batch(wholes(VINE)), first_batch(wholes(f"credit={method}"))
    assert all({k: a[k] for k in shared} == {k: b[k] for k in shared} for a, b in zip(ours, other, strict=True))
    assert len(other) == 16


def test_a_run_leaves_what_its_directory_promises(tmp_path: Path):
    run = tmp_path / "run"
    history = train(run)
    assert [line["iteration"] for line in history] == [0, 1, 2, 3, 4]
    assert [int(line["iteration"]) for line in history if "eval/accuracy" in line] == [0, 2, 4]
    assert [p.name for p in sorted((run / "checkpoints").iterdir())] == ["000003", "000004"]
    assert (run / "report.html").stat().st_size > 10_000
    assert load_config(run / "config.yaml") == load_config(None, [*QUICK, f"run.dir={run}"])
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["iterations"], summary["updates"]) == (4, 16)
    assert summary["accuracy"]["final"] == history[-1]["eval/accuracy"]
    assert summary["tokens"]["rollouts"] == sum(line.get("tokens/rollouts", 0) for line in history)
    assert main(["eval", *QUICK, "--policy", str(run / "policy"), "--out", str(tmp_path / "out")]) == 0


REST_EM = "recipe={name: rest_em, epochs: 2, validation_questions: 8}"
LEARNING_FROM_ROLLOUTS = "credit={name: tree, restarts: 1}"
REPLAYED = "credit={name: spo_tree, branching: [2, 2], segment_tokens: 12, edges_per_question: 4}"
LEARNABILITY = "curriculum={name: learnability, attempts: 2}"
BUFFER = "curriculum={name: learnability_buffer, candidates: 30, attempts: 4, keep: 8, every: 2}"
ITERATIONS = {REPLAYED: 3, BUFFER: 3, LEARNABILITY: 3}
"""Of a choice that remembers earlier iterations."""


def test_rollouts_are_learned_from_where_that_is_asked_for(wholes: Callable[[str], Path]):
    plain, learning = (metrics_of(wholes(choice)) for choice in ("credit=rloo", LEARNING_FROM_ROLLOUTS))
    assert 0 < learning[1]["credit/branches"] <= learning[1]["credit/rollouts"]
    assert "credit/branches" not in plain[1]
    same = ("reward", "tokens/trajectories", "updates", "updates_made")
    assert [learning[1][name] for name in same] == [plain[1][name] for name in same]
    assert learning[1]["grad_norm"] != plain[1]["grad_norm"]


@pytest.mark.parametrize(
    "choice",
    [
        VINE,
        *(f"credit={method}" for method in METHODS),
        LEARNING_FROM_ROLLOUTS,
        REPLAYED,
        REST_EM,
        "recipe=dpo_positive",
        "curriculum=epoch",
        LEARNABILITY,
        BUFFER,
    ],
)
def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_one(
    wholes: Callable[[str], Path], tmp_path: Path, choice: str, monkeypatch: pytest.MonkeyPatch
):
    config = load_config(None, [*QUICK, *settings_of(choice), f"run.dir={tmp_path}"])
    sample = Sampler.sample

    def interrupted(sampler: Sampler, iteration: int, display: Display):
        if iteration == config.training.iterations:
            raise KeyboardInterrupt
        return sample(sampler, iteration, display)

    with monkeypatch.context() as patch:
        patch.setattr(Sampler, "sample", interrupted)
        assert not Trainer(config).train().finished
    assert Trainer(config, resume=True).train().finished
    assert_same(wholes(choice), tmp_path)


def assert_same(one: Path, other: Path) -> None:
    assert without_time(metrics_of(one)) == without_time(metrics_of(other))
    a, b = (load_file(run / "policy" / "model.safetensors") for run in (one, other))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow
@pytest.mark.parametrize(("choice", "times"), [(VINE, 2), (REST_EM, 1), (BUFFER, 1)])
def test_kill_9_in_the_middle_of_an_iteration_loses_nothing_else(
    wholes: Callable[[str], Path], tmp_path: Path, choice: str, times: int
):
    command = ["train", *QUICK, *settings_of(choice), f"run.dir={tmp_path / 'run'}", "--resume"]
    for kill in range(times):
        started = _lines(tmp_path / "run")
        process = start(["-m", "vineppo", *command], tmp_path / "log")
        _wait_for(lambda: _lines(tmp_path / "run") > started or not process.is_alive())  # noqa: B023
        time.sleep(0.05 * (kill + 1))
        process.kill()
        assert finish([process], seconds=300) == [-signal.SIGKILL], (tmp_path / "log").read_text()
    assert main(command) == 0
    assert_same(wholes(choice), tmp_path / "run")


def _lines(run: Path) -> int:
    file = run / "metrics.jsonl"
    return len(file.read_text().splitlines()) if file.exists() else 0


def _wait_for(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.mark.slow
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path):
    settings = [*QUICK, "training.iterations=200", "checkpoint.every=1000", f"run.dir={tmp_path / 'run'}"]
    process = start(["-m", "vineppo", "train", *settings], tmp_path / "log")
    _wait_for(lambda: _lines(tmp_path / "run") >= 4)
    send(process, signal.SIGINT)
    assert finish([process], seconds=120) == [130]
    assert "--resume" in (tmp_path / "log").read_text()
    (checkpoint,) = (tmp_path / "run" / "checkpoints").iterdir()
    assert int(checkpoint.name) == int(metrics_of(tmp_path / "run")[-1]["iteration"])


def test_the_example_in_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    import own_task  # pyright: ignore[reportMissingImports]

    reward = own_task.main(
        f"run.dir={tmp_path}", "training={iterations: 1, questions: 4, trajectories: 4}", "learner.minibatch=16"
    )
    assert 0 <= reward <= 1


def test_a_reward_function_of_ones_own_trains_any_model(tmp_path: Path):
    model = write_random_model(tmp_path / "model", ["hello there general"] * 20)
    rows = [{"prompt": f"{i} hello"} for i in range(20)]
    task = RewardTask(
        train=rows, test=rows[:4], reward=lambda prompts, completions, **_: [float("a" in c) for c in completions]
    )
    settings = [f"policy.path={model}", "sampling.max_new_tokens=12", f"run.dir={tmp_path / 'run'}", "steps=whole"]
    result = Trainer(load_config(None, [*QUICK, *settings]), task=task).train()
    assert result.finished
    assert (result.policy / "model.safetensors").exists()
    assert load_config(tmp_path / "run" / "config.yaml").task == CustomTask()
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["task"] == "custom"
    with pytest.raises(UserError, match=r"object handed to the Python API.*FILE\.py:CLASS"):
        analyze_credit(find_target(tmp_path / "run", [], policy=None, checkpoint=None))


@pytest.mark.skipif(not SHARED.exists(), reason=f"needs the real GSM8K questions in {SHARED}")
def test_two_iterations_on_real_gsm8k_questions_with_a_random_model(tmp_path: Path):
    texts = (SHARED / "gsm8k" / "train.jsonl").read_text().splitlines()[:300]
    model = write_random_model(tmp_path / "model", texts, context=1024)
    settings = [
        str(ROOT / "configs/gsm8k.yaml"),
        f"task.path={SHARED / 'gsm8k'}",
        f"policy.path={model}",
        f"run.dir={tmp_path / 'run'}",
        "training={iterations: 2, questions: 4, trajectories: 4}",
        "learner.minibatch=8",
        "sampling.max_new_tokens=48",
        "evaluation={every: 1, questions: 8, samples: 1}",
    ]
    assert main(["train", *settings]) == 0
    history = metrics_of(tmp_path / "run")
    assert [line["iteration"] for line in history] == [0, 1, 2]
    outcomes = [sum(v for k, v in line.items() if k.startswith("outcome/")) for line in history[1:]]
    assert outcomes == pytest.approx([1, 1])
    assert history[-1]["credit/rollouts"] > 0
