import os
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml

from vineppo import cli
from vineppo.arguments import render_examples
from vineppo.cli import main, sets_rollouts
from vineppo.config.load import dump_config, load_config
from vineppo.config.schema import Config, SftConfig
from vineppo.credit.coupled_assigner import CoupledCredit
from vineppo.credit.gae import PpoCredit
from vineppo.credit.tree_assigner import TreeCredit
from vineppo.credit.vine import VineCredit
from vineppo.errors import UserError
from vineppo.policy_place import policy_of
from vineppo.settings.sections import PolicyConfig
from vineppo.tasks.registers import RegistersTask


@dataclass
class Calls:
    """What the commands asked for, and how that ends."""

    made: list[tuple[str, Config | SftConfig, bool | None]] = field(default_factory=list)
    finished: bool = True
    error: BaseException | None = None


@pytest.fixture
def calls(monkeypatch):
    """Stands in for everything behind the command line."""
    calls = Calls()

    class Trainer:
        def __init__(self, config: Config, *, resume: bool):
            calls.made.append(("train", config, resume))

        def train(self) -> SimpleNamespace:
            if calls.error is not None:
                raise calls.error
            return SimpleNamespace(finished=calls.finished)

    def evaluate_and_tell(config: Config, out: Path | None) -> None:
        calls.made.append(("eval", config, None))

    def finetune(config: SftConfig, *, resume: bool) -> int:
        calls.made.append(("sft", config, resume))
        return 0

    monkeypatch.setattr(cli, "check_policy", lambda path: None)
    stand_in(monkeypatch, "vineppo.trainer", Trainer=Trainer)
    stand_in(monkeypatch, "vineppo.evaluating", evaluate_and_tell=evaluate_and_tell)
    stand_in(monkeypatch, "vineppo.recipes.sft", finetune=finetune)
    return calls


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **contents: object) -> None:
    module = ModuleType(name)
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, name, module)


def error_of(capsys, *argv: str) -> str:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert not captured.out or captured.out.startswith("run.dir ")
    assert captured.err.count("\n") == 1
    return captured.err.removesuffix("\n")


# --- commands ----------------------------------------------------------------------------------------------------


def test_train_without_words_trains_the_defaults(calls):
    assert main(["train"]) == 0
    assert calls.made == [("train", Config(), False)]


def test_train_takes_a_file_overrides_and_resume_in_any_order(calls, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("credit: {name: vine, rollouts: 3}")
    words = [
        [str(path), "training.seed=1", "--resume"],
        [str(path), "--resume", "training.seed=1"],
        ["--resume", str(path), "training.seed=1"],
    ]
    for argv in words:
        assert main(["train", *argv]) == 0
    words = ["credit=vine", "credit.rollouts=3", "training.seed=1", "run.dir='runs/config-seed=1'"]
    expected = load_config(None, words)
    assert calls.made == [("train", expected, True)] * 3


def test_the_file_may_come_last(calls, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("credit: {name: vine, rollouts: 3}")
    assert main(["train", "training.seed=1", str(path)]) == 0
    assert calls.made[0][1].credit == VineCredit(rollouts=3)


def test_a_run_or_a_checkpoint_can_be_the_policy(tmp_path):
    run = tmp_path / "run"
    for folder in (run / "checkpoints" / "000002", run / "checkpoints" / "000010"):
        (folder / "policy").mkdir(parents=True)
        (folder / "policy" / "config.json").write_text("{}")
    assert policy_of(str(run)) == str(run / "checkpoints" / "000010" / "policy")
    assert policy_of(str(run / "checkpoints" / "000002")) == str(run / "checkpoints" / "000002" / "policy")
    assert policy_of(str(run / "checkpoints" / "000002" / "policy")) == str(run / "checkpoints" / "000002" / "policy")
    (run / "policy").mkdir()
    (run / "policy" / "config.json").write_text("{}")
    assert policy_of(str(run)) == str(run / "policy")
    assert policy_of("Qwen/Qwen3-0.6B") == "Qwen/Qwen3-0.6B"


def test_a_file_whose_path_holds_an_equals_sign_is_a_file(calls, tmp_path):
    (tmp_path / "lr=1").mkdir()
    path = tmp_path / "lr=1" / "config.yaml"
    path.write_text("credit: ppo")
    main(["train", str(path)])
    assert calls.made[0][1].credit == PpoCredit()


def test_training_that_was_interrupted_is_code_130(calls):
    calls.finished = False
    assert main(["train"]) == 130


def test_sft_finetunes(calls):
    assert main(["sft", "updates=3"]) == 0
    assert main(["sft", "updates=3", "--resume"]) == 0
    assert calls.made == [("sft", SftConfig(updates=3), resume) for resume in (False, True)]


def test_eval_measures_the_policy_that_is_named(calls):
    main(["eval", "policy.path=a"])
    main(["eval", "--policy", "b", "policy.path=a"])
    assert [config.policy for _, config, _ in calls.made] == [PolicyConfig(path="a"), PolicyConfig(path="b")]


@pytest.mark.parametrize("place", ["", "policy", "checkpoints/000003", "checkpoints/000003/policy"])
def test_the_policy_of_a_run_is_asked_the_runs_questions(calls, tmp_path, place):
    for folder in (tmp_path / "policy", tmp_path / "checkpoints/000003/policy"):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    (tmp_path / "config.yaml").write_text(dump_config(Config(task=RegistersTask(), policy=PolicyConfig(path="start"))))
    (tmp_path / "metrics.jsonl").touch()
    assert main(["eval", "--policy", str(tmp_path / place), "evaluation.questions=7"]) == 0
    mine = tmp_path / "mine.yaml"
    mine.write_text("{}")
    assert main(["eval", str(mine), "--policy", str(tmp_path / place)]) == 0
    (_, of_run, _), (_, of_file, _) = calls.made
    assert (of_run.task, of_run.evaluation.questions) == (RegistersTask(), 7)
    assert of_run.policy.path.startswith(str(tmp_path))
    assert of_file.task == Config().task


@pytest.mark.parametrize("folder", ["007", "a: b", "#x", "'quoted'", '"', "runs/é", "1e-3", "🌿", r"back\slash"])
def test_any_folder_name_can_be_a_policy(calls, folder):
    assert main(["eval", "--policy", folder]) == 0
    assert calls.made[0][1].policy.path == folder


@pytest.mark.parametrize(
    ("words", "sets"),
    [
        (["credit=vine"], False),
        (["credit={name: vine}", "training.seed=1"], False),
        (["credit.rollouts=3"], True),
        (["credit={name: coupled, token_budget: 9}"], True),
    ],
)
def test_who_says_nothing_of_rollouts_gets_enough_to_look_at(words: list[str], sets: bool):
    assert sets_rollouts(words) == sets
    assert CoupledCredit(rollouts=9, token_budget=150).for_looking(64) == CoupledCredit(rollouts=64)
    assert CoupledCredit(rollouts=100).for_looking(64).rollouts == 100


def test_where_things_go_is_said_with_one_word(calls, tmp_path, monkeypatch):
    """--out for what is written, --policy for what it starts from, whatever the setting is called."""
    monkeypatch.chdir(tmp_path)
    main(["train", "--out", "there", "--policy", "a"])
    main(["sft", "--out", "there", "--policy", "a"])
    trained, finetuned = (config for _, config, _ in calls.made)
    assert (trained.run.dir, trained.policy.path) == ("there", "a")
    assert (finetuned.output, finetuned.policy.path) == ("there", "a")


# --- output ------------------------------------------------------------------------------------------------------


def test_config_prints_yaml_that_loads_back(capsys, tmp_path):
    assert main(["config", "credit.restarts=3"]) == 0
    path = tmp_path / "config.yaml"
    path.write_text(capsys.readouterr().out)
    assert load_config(path, []) == Config(credit=TreeCredit(restarts=3))


def test_config_of_sft_prints_yaml_that_loads_back(capsys, tmp_path):
    assert main(["config", "--sft", "batch=3"]) == 0
    path = tmp_path / "config.yaml"
    path.write_text(capsys.readouterr().out)
    assert load_config(path, [], SftConfig) == SftConfig(batch=3)


def test_keys_are_listed_one_a_line(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert main(["config", "--keys"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["key", "where", "name", "is", "type", "default", "meaning"]
    rollouts, _ = [line for line in lines if line.startswith("credit.rollouts ")]
    assert " ".join(rollouts.split()) == "credit.rollouts vine a whole number >= 1 9 K, rollouts per distinct state."


def test_keys_can_be_asked_for_by_how_they_begin(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert main(["config", "--keys", "sampling."]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(line.startswith("sampling.") for line in lines)
    assert "no key begins with 'sampled'" in error_of(capsys, "config", "--keys", "sampled")


def test_keys_are_wrapped_where_the_width_is_known(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["config", "--keys", "sampling."]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("sampling.temperature: ")
    assert max(map(len, lines)) <= 40


def test_keys_of_sft_are_listed(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert main(["config", "--sft", "--keys"]) == 0
    assert "\narchitecture.hidden_size " in capsys.readouterr().out


def test_a_dry_run_prints_config_and_cost_and_trains_nothing(capsys, calls):
    assert main(["train", "--dry-run", "credit=ppo", "training.iterations=3"]) == 0
    config, cost = capsys.readouterr().out.split("\n\n", maxsplit=1)
    assert yaml.safe_load(config)["credit"]["name"] == "ppo"
    assert "3 iterations, 1,536 trajectories, 48 updates." in cost
    assert calls.made == []


def test_a_dry_run_of_sft_finetunes_nothing(capsys, calls):
    assert main(["sft", "--dry-run", "updates=3"]) == 0
    assert capsys.readouterr().out.endswith("3 updates of 64 demonstrations: 192. Nothing is decoded.\n")
    assert calls.made == []


@pytest.mark.parametrize("width", [40, 80, 100, 130])
def test_examples_fit_the_terminal(width: int):
    text = render_examples(width)
    assert text.count("vineppo ") >= 10
    words = max(len(word) for word in text.split())
    assert max(map(len, text.splitlines())) <= max(width, words + 6)


def test_something_is_said_before_libraries_are_loaded(capsys, calls):
    calls.error = KeyboardInterrupt()
    assert main(["train", "credit=ppo"]) == 130
    assert capsys.readouterr().out == (
        "run.dir runs/default-ppo\ntrain: task arithmetic, credit ppo; loading libraries and bundled:arithmetic ...\n"
    )


def test_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"vineppo {version('vineppo')}\n"


# --- errors ------------------------------------------------------------------------------------------------------


def test_wrong_input_is_one_line_and_code_2(capsys):
    assert error_of(capsys, "train", "credit=pppo") == (
        'vineppo: error: credit.name is "pppo", but must be one of vine, coupled, tree, ppo, grpo, rloo, '
        "grpo_lambda, spo_tree, capo, srpo; did you mean ppo?"
    )
    assert error_of(capsys, "train", "credit=ppo", "rollouts").startswith("vineppo: error: 'rollouts' is no override;")
    assert error_of(capsys, "sft", "batch=0") == "vineppo: error: batch is 0, but must be a whole number >= 1"
    assert error_of(capsys, "eval", "--policy", "x", "zzz=1").startswith("vineppo: error: key zzz (given 1) is unknown")
    assert error_of(capsys, "config", "qqxx.yaml").startswith(
        "vineppo: error: qqxx.yaml is not there; name a YAML file"
    )
    assert error_of(capsys, "train", "--dry-run", "learner.clip=0") == (
        "vineppo: error: learner.clip is 0, but must be a number > 0"
    )


def test_wrong_input_that_only_training_finds_is_code_2_too(capsys, calls):
    calls.error = UserError("first\nsecond")
    assert error_of(capsys, "train") == "vineppo: error: first second"


def test_an_interruption_that_escapes_is_code_130(capsys, calls):
    calls.error = KeyboardInterrupt()
    assert main(["train"]) == 130
    assert capsys.readouterr().err == "vineppo: interrupted\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "vineppo: error: name a command, e.g. vineppo train"),
        (["trian"], "vineppo: error: there is no command 'trian'; did you mean train?"),
        (["frobnicate"], "there is no command 'frobnicate'; choose from train, sft, eval,"),
        (["train", "--zzz"], "vineppo: error: train has no option --zzz; see vineppo train --help"),
        (["train", "--resum=1", "credit=ppo"], "train has no option --resum; did you mean --resume?"),
        (["analyze", "--output", "x"], "analyze has no option --output; did you mean --out?"),
        (["eval", "--policy"], "argument --policy: expected one argument"),
    ],
)
def test_wrong_usage_is_code_2(capsys, argv, message):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


# --- start-up ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("argv", [["--help"], ["train", "--help"], ["train", "--dry-run"], ["config", "--keys"]])
def test_what_needs_no_model_imports_no_torch(argv):
    program = f"""
import sys
from vineppo.cli import main
try:
    main({argv!r})
except SystemExit:
    pass
heavy = sys.modules.keys() & {{"torch", "transformers", "numpy", "datasets", "matplotlib"}}
sys.exit(f"imported {{sorted(heavy)}}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_help_comes_within_seconds():
    # Torch alone takes longer on a cold start; the bound is loose because machines are shared.
    done = subprocess.run(
        [sys.executable, "-m", "vineppo", "--help"], capture_output=True, text=True, timeout=10, check=True
    )
    assert "credit=ppo" in done.stdout


def test_the_module_runs_like_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "vineppo", "train", "x=1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parent,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("vineppo: error: key x (given 1) is unknown")


def test_a_reader_that_stops_reading_is_no_error():
    """As in `vineppo config --keys | head -1`: the pipe is closed before anything is written."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "vineppo", "config", "--keys"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "")
