"""What a dry run reads, checks and forecasts, beside what a run then does."""

import json
from pathlib import Path

import pytest
from huggingface_hub import constants

from vineppo.cli import main
from vineppo.config.load import load_config
from vineppo.config.storage import forecast_storage, most_checkpoints
from vineppo.dry_run import Probed, describe_probe, num_saves, probed
from vineppo.errors import UserError
from vineppo.settings.model_shape import ModelShape, find_shape
from vineppo.settings.places import on_disk

ROWS = [{"question": f"{i} + 1?", "answer": str(i + 1)} for i in range(20)]
QUICK = [
    "task={name: arithmetic, train_questions: 6, test_questions: 2}",
    "sampling={temperature: 1.0, top_p: 1.0, max_new_tokens: 16}",
    "learner={minibatch: 1000, micro_batch: 8}",
    "credit=grpo",
    "evaluation={every: 0}",
]
OWN = ["task.name=dataset", "task.path=own.jsonl", "task.held_out=0.2", "task.prompt_column=question"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    return tmp_path


def dry(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["train", "--dry-run", *words])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_data_are_counted_and_an_iteration_asks_all_there_are(capsys):
    code, told = dry(capsys, *OWN, "training={iterations: 8, questions: 64}")
    assert code == 0
    assert "16 to train on, 16 an iteration (training.questions 64: all there are), each asked 8 times" in told
    assert "4 to test on, 4 each time" in told


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("task.path=own.json", "task.path 'own.json' is not there (did you mean own.jsonl?); name what is"),
        ("task.path=./nothing", "task.path './nothing' is not there"),
        ("task.path=data/rows.jsonl", "task.path 'data/rows.jsonl' is not there; name what is"),
        ("task.prompt_column=questoin", "row 1 has no column 'questoin'"),
        ("policy.path=/nowhere/model", "policy.path '/nowhere/model' is not there; name what is"),
        ("policy.path=here", "policy.path is 'here', a folder without config.json"),
        ("run.dir=own.jsonl", "run.dir own.jsonl"),
    ],
)
def test_a_place_that_is_not_there_ends_it(capsys, here: Path, word: str, complaint: str):
    (here / "here").mkdir()
    code, told = dry(capsys, *OWN, word)
    assert code == 2
    assert complaint in told


def test_what_may_be_on_the_hub_is_left_to_the_run(capsys, here: Path):
    code, told = dry(capsys, "task=gsm8k", "policy.path=somebody/model")
    assert code == 0
    assert "Questions: not counted" in told
    assert "policy.path 'somebody/model' is not on this disk and taken for a name on the Hub" in told


def test_a_folder_of_the_owners_name_makes_no_hub_name_a_mistyped_path(capsys, here: Path):
    (here / "Qwen" / "Qwen3-0.6B").mkdir(parents=True)
    code, told = dry(capsys, *OWN, "policy.path=Qwen/Something-Else")
    assert code == 0
    assert "'Qwen/Something-Else' is not on this disk, where the folder Qwen is, and taken for a name" in told


def test_what_is_nearly_there_must_be_fetched_to_be_the_hubs(here: Path, monkeypatch: pytest.MonkeyPatch):
    (here / "build" / "smollm2").mkdir(parents=True)
    with pytest.raises(UserError, match=r"'build/smollm3' is not there \(did you mean build/smollm2\?\)") as error:
        on_disk("policy.path", "build/smollm3")
    assert str(error.value).endswith("where the Hub's is meant, fetch it first: hf download build/smollm3")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(here / "hub"))
    (here / "hub" / "models--build--smollm3").mkdir(parents=True)
    assert not on_disk("policy.path", "build/smollm3")


def test_an_iteration_of_all_the_questions_there_are_and_checkpoints_by_time(here: Path, capsys):
    """So short a time is over after any iteration, so that each is saved, and the two newest kept."""
    words = [*QUICK, "training={iterations: 3, questions: 64, trajectories: 2}", "run.dir=run"]
    words += ["checkpoint={every: 0, every_seconds: 1.0e-6, between: false, keep: 2}"]
    assert main(["train", *words]) == 0
    assert "training.questions is 64, but there are 6: each iteration asks all of them" in capsys.readouterr().out
    assert sorted(path.name for path in (here / "run/checkpoints").iterdir()) == ["000002", "000003"]
    lines = [json.loads(line) for line in (here / "run/metrics.jsonl").read_text().splitlines()]
    assert [line.get("updates_made") for line in lines[1:]] == [2, 2, 2], "of two epochs, all 12 trajectories in one"
    assert ["time/checkpoint" in line for line in lines] == [False, False, True, True]
    config = load_config(None, words)
    shape = find_shape(config.policy.path)
    assert isinstance(shape, ModelShape)
    written = sum(file.stat().st_size for file in (here / "run/checkpoints/000003").rglob("*") if file.is_file())
    assert forecast_storage(config, shape).checkpoint == pytest.approx(written, rel=0.05)


def test_when_a_checkpoint_is_due():
    asked = load_config(None, ["checkpoint={every: 10, every_seconds: 60}"]).checkpoint
    assert [asked.is_due(*at) for at in ((10, 0.0), (11, 59.0), (11, 60.0))] == [True, False, True]
    asked = load_config(None, ["checkpoint={every: 0, every_seconds: 60}"]).checkpoint
    assert [asked.is_due(*at) for at in ((10, 0.0), (11, 60.0))] == [False, True]


@pytest.mark.parametrize(
    ("checkpoint", "held", "saves"),
    [
        ("{keep: 2}", 4, 100),
        ("{keep: 2, between: false, every: 20}", 3, 5),
        ("{keep: 1, between: false, every: 0, every_seconds: 50}", 2, 4),
        ("{keep: 1, keep_every: 10, between: false}", 12, 100),
    ],
)
def test_checkpoints_of_100_iterations_of_two_seconds(checkpoint: str, held: int, saves: int):
    config = load_config(None, [f"checkpoint={checkpoint}", "training.iterations=100"])
    assert most_checkpoints(config) == held
    assert num_saves(config, seconds=200.0) == saves


def test_seconds_grow_with_questions():
    """Two questions took 3 s, 1 s of it to evaluate 8: 64 take 32 times 2 s, 40 to evaluate 5 s."""
    lines = [
        {"time/evaluate": 1.0},
        {"time/iteration": 9.0},
        {"time/iteration": 3.0, "time/evaluate": 1.0, "time/checkpoint": 0.5},
    ]
    found = probed(lines, questions=2, tested=8, whole=14.0)
    assert found == Probed(questions=2, iteration=2.0, evaluation=0.125, checkpoint=0.5, whole=14.0)
    config = load_config(None, ["training={iterations: 10, questions: 64}", "evaluation={every: 5, questions: 40}"])
    told = describe_probe(config, found)
    assert "an iteration 64.0, an evaluation 5.0 (3 times), a checkpoint 0.5 (10 times); " in told
    assert "the run about 660 (0:11:00)" in told


def test_a_probe_leaves_nothing_behind(capsys, here: Path):
    words = [*QUICK, "training={iterations: 40, questions: 4, trajectories: 2}"]
    code, told = dry(capsys, *words, "--probe")
    assert code == 0
    assert "Seconds, by a probe of" in told
    assert [path.name for path in here.iterdir()] == ["own.jsonl"]
    assert main(["train", *words, "--probe"]) == 2
