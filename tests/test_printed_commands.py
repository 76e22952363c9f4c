"""Every command that README.md and docs/*.md print is run in a quick form, or stands below with the reason why not.

The quick form of what trains is `--dry-run`, which checks words, settings, paths and data, with `--probe` where the
page says so; that each method trains is tested where it is. What looks at a policy or at files is run, on little.
`make TARGET` is what `make -n` says of it. Of a script of benchmarks/ the words are parsed; what it does is run by the
test named below. A command of no such kind fails here, so that whoever prints one must choose.
"""

import argparse
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from transformers import LlamaConfig, LlamaForCausalLM

from compare.written_runs import write_run
from printed import ROOT, Printed, commands, every_command
from small_chats import chat_tokenizer
from vineppo.arguments import parse, split_words
from vineppo.cli import main
from vineppo.config.load import load_config
from vineppo.config.run_name import with_run_dir

pytestmark = pytest.mark.slow

REASONS = {
    "accelerate launch": "the bare name of a program; its commands with more words are below",
    "accelerate launch ... -m vineppo train CONFIG --resume": "says with its dots that the reader knows the rest",
    "vineppo compare DIR DIR ...": "the same; with folders it is run above",
    "make test": "these tests",
    "make test-vllm": "needs vLLM, 3 GB in an environment of its own; .ci/run runs it",
    "make vllm-venv": "the same",
    "make gpu-wheels GPU_PYTHON_VERSION=3.12": "downloads 100 MB of wheels",
    "make smollm2": "downloads 93 MB; `make test-real` runs it",
}
"""Commands that are not run."""

SCRIPTS = {
    "benchmarks/credit_efficiency.py": "minutes: it needs thousands of rollouts of three policies for one number",
    "benchmarks/credit_map.py": "tests/benchmarks/test_credit_map.py",
    "benchmarks/credit_training.py": "an hour: whole runs, each as `vineppo train` is run in tests/recipes",
    "benchmarks/gpu.py": "tests/benchmarks/test_gpu.py",
    "benchmarks/headline.py": "tests/benchmarks/test_headline.py",
    "benchmarks/judge.py": "needs data sets that are not shipped; tests/tasks/judge has its shapes",
    "benchmarks/real_model.py": "tests/test_printed_numbers.py",
    "benchmarks/real_prompts.py": "needs build/svamp_start and build/svamp",
    "benchmarks/rollouts.py": "tests/benchmarks/test_workload.py",
    "benchmarks/stop_cost.py": "compares seconds, which need a quiet machine and minutes",
    "benchmarks/trl_credit.py": "tests/integrations/test_trl_example.py",
    "benchmarks/wall_clock.py": "compares seconds, which need a quiet machine and minutes",
    "examples/svamp.py": "tests/tasks/test_svamp_example.py",
    "examples/trl_credit.py": "tests/integrations/test_trl_example.py",
}
"""By which test a script is run in little, or why by none."""

LITTLE = {
    "analyze": [
        "analysis.questions=3",
        "analysis.trajectories=2",
        "analysis.states=2",
        "analysis.truth_rollouts=2",
        "analysis.choices=0",
        "analysis.draws=2",
        "analysis.distinct=2",
        "analysis.gradient_questions=0",
        "sampling.max_new_tokens=12",
    ],
    "doctor": ["--seconds", "1"],
    "eval": ["evaluation.questions=2", "sampling.max_new_tokens=12"],
    "explain": ["credit.rollouts=2", "--limit", "1", "--solutions", "1", "sampling.max_new_tokens=12"],
    "train": ["sampling.max_new_tokens=12"],
}
"""Words that make a command small."""
ROW = {
    "question": "What is 1 + 1?",
    "answer": "It is two.\n#### 2",
    "problem": "What is 1 + 1?",
    "solution": "First.\n\nIt is $\\boxed{2}$.",
    "prompt": "What is 1 + 1?",
    "gold": "2",
}
FILES = (
    *("DATA/train.jsonl", "DATA/test.jsonl", "DIR/A.jsonl", "DIR/B.jsonl", "DIR/train.jsonl", "DIR/test.jsonl"),
    *("MY.jsonl", "solutions.jsonl", "questions.jsonl", "PAIRS.jsonl"),
)
"""What the pages have a reader bring."""
PLANNED = ("train", "sft", "sweep")
"""Commands that have `--dry-run`."""
WRITERS = ("eval", "explain", "analyze", "compare", "configs")
"""Commands that write into `--out`."""


# --- the reader's folder -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout, with what the pages have a reader bring."""
    home = tmp_path_factory.mktemp("reader")
    for name in ("configs", "examples", "src"):
        (home / name).symlink_to(ROOT / name)
    for name in FILES:
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(f"{json.dumps(ROW)}\n" * 12)
    (home / "rewards.py").write_text(
        "def right(completions, **_):\n    return [1.0] * len(completions)\n\n\nbrief = right\n"
    )
    (home / "my.yaml").write_text("steps: math\n")
    save_model(home / "MODEL")
    save_model(home / "DIR")
    words = [*LITTLE["train"], "training={iterations: 1, questions: 1, trajectories: 2}", "evaluation.questions=2"]
    words += ["credit=ppo", "run.tracker=none", f"run.dir={home / 'RUN'}"]
    assert main(["train", str(ROOT / "configs/arithmetic.yaml"), *words]) == 0
    for iteration in ("000010", "000070"):
        (home / "RUN" / "checkpoints" / iteration).symlink_to("000001")
    return home


def save_model(folder: Path) -> None:
    """Random weights, a chat template."""
    tokenizer = chat_tokenizer()
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def bring(command: str, words: Sequence[str], path: Path | None) -> None:
    """What a command names and others have made by then: runs to compare, a run, models, data."""
    if command == "compare":
        for name in words:
            if not Path(name).exists():
                write_run(Path(name), [0.1, 0.2], seed=int(name[-1]) if name[-1].isdigit() else 0)
    elif words and words[0].startswith(("runs/", "build/")):
        copy("RUN", words[0])
    named = [word.partition("=")[2] for word in words if re.match(r"(credit\.adviser\.)?policy\.path=", word)]
    named += [after for before, after in pairwise(words) if before == "--policy"]
    if path is not None and command not in PLANNED:
        own = yaml.safe_load(path.read_text())
        copy("DATA", own.get("task", {}).get("path", ""))
        named.append(own.get("policy", {}).get("path", ""))
    for name in named:
        copy("RUN" if name.startswith("runs/") else "MODEL", name.removesuffix("/policy"))


def copy(what: str, name: str) -> None:
    """To where a command looks for it, unless something is there, or none is named on this disk."""
    if (name.startswith(("runs/", "build/")) or name == "CRITIC") and not Path(name).exists():
        shutil.copytree(what, name, symlinks=True)


# --- quick forms -------------------------------------------------------------------------------------------------


class Parsed(Exception):
    """Ends a script behind its parser."""


def quick(words: list[str], out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command on little. Raises AssertionError where it fails or is of no kind known here."""
    match words:
        case ["vineppo", command, *rest]:
            run_vineppo(command, [own for word in rest for own in filled_in(word)], out)
        case ["make", target, *settings]:
            for line in recipe(target, settings):
                quick(line, out / "made", monkeypatch)
        case ["python", script, *rest]:
            parse_script(script, rest, monkeypatch)
        case ["pip", "install", what]:
            assert what == "." or re.fullmatch(r"vineppo\[(.+)\]", what)[1] in extras()
        case ["accelerate", "launch", "--config_file", file, *rest]:
            assert (ROOT / file).is_file()
            quick(rest[rest.index("-m") + 1 :], out, monkeypatch)
        case ["torchrun", *rest]:
            quick(rest[rest.index("-m") + 1 :], out, monkeypatch)
        case ["pytest", file]:
            assert (ROOT / file).is_file()
        case _:
            raise AssertionError(f"{words}: give it a quick form here, or a reason in REASONS")


def run_vineppo(command: str, words: list[str], out: Path) -> None:
    """In this process."""
    if not words or words == ["FILE", "--out", "DIR"]:  # a name in a sentence
        parse([command, *words])
        return
    if command == "import-gguf":  # tests/importing has such a file
        parse([command, *words])
        return
    words = words[:-1] if words[-2:-1] == ["--out"] else words
    path, _ = split_words(words)
    bring(command, words, path if path is not None and path.suffix == ".yaml" else None)
    end = [*local(words), *LITTLE.get(command, [])]
    if command == "analyze" and "--source" not in words:
        end.append("analysis.sources=[vine:1]")
    if command in PLANNED:
        end += [] if "--dry-run" in words else ["--dry-run"]
    elif command in WRITERS:
        end += [str(out)] if words[-1:] == ["--out"] else ["--out", str(out)]
    assert main([command, *words, *end]) in ((0, 1) if command == "doctor" else (0,))


def local(words: Sequence[str]) -> list[str]:
    """The reader's data in place of those on the Hub."""
    asks_hub = any(word in ("configs/gsm8k.yaml", "configs/math.yaml") for word in words)
    return ["task.path=DATA"] if asks_hub and not any(word.startswith("task.path") for word in words) else []


def filled_in(word: str) -> list[str]:
    """A word with what a reader and the shell fill in: a config, a variable of a loop, the names of files."""
    for name, value in (("$credit", "vine"), ("$seed", "0"), ("$engine", "torch"), ("=NAME", "=vine")):
        word = word.replace(name, value)
    if word in ("CONFIG", "$ASKED"):
        return ["configs/arithmetic.yaml"]
    if word.startswith("runs/") and word.endswith("[012]"):
        return [word.replace("[012]", seed) for seed in "012"]
    return [word.replace("*", "0") if word.startswith("runs/") else word]


def recipe(target: str, settings: Sequence[str]) -> Iterator[list[str]]:
    """What `make` would do, of that what this project does."""
    done = [word for name in (".venv", ".venv-vllm") for word in ("-o", f"{name}/installed")]
    asked = ["make", "-n", *done, "-o", ".venv/bench-installed", target, *settings]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    for line in re.sub(r"\$\(.*?\)", "1", told.replace("\\\n", " ")).splitlines():
        if found := re.search(r"(?:^|\s)\S*(?P<program>vineppo|python)3? (?P<words>(?!-m).*)", line):
            yield [found["program"], *shlex.split(found["words"])]


def parse_script(script: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own parser understands the words, and a test runs it, or there is a reason why none does."""
    assert script in SCRIPTS, f"{script}: name the test that runs it in SCRIPTS, or the reason why none does"
    if SCRIPTS[script].startswith("tests/"):
        assert (ROOT / SCRIPTS[script]).is_file()
    if not script.startswith("benchmarks/"):
        return
    understood = argparse.ArgumentParser.parse_args

    def parsed(self: argparse.ArgumentParser, *given: object) -> None:
        understood(self, *given)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)
    monkeypatch.setattr(sys, "argv", [script, *words])
    spec = importlib.util.spec_from_file_location(Path(script).stem, ROOT / script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(Parsed):
        module.main()


def extras() -> dict[str, list[str]]:
    """What can be installed with the package."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


# --- all of them -------------------------------------------------------------------------------------------------

PRINTED = every_command()


def test_there_are_commands_and_no_reason_without_one():
    assert len(PRINTED) > 120
    texts = {command.text for command in PRINTED}
    assert not [text for text in REASONS if text not in texts]


@pytest.mark.parametrize("command", [one for one in PRINTED if one.text not in REASONS], ids=str)
def test_a_printed_command_does_what_it_says_in_little(
    command: Printed, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(place)
    for name, value in command.environment.items():
        monkeypatch.setenv(name, value)
    quick(command.words, tmp_path / "out", monkeypatch)


def test_a_new_command_needs_a_quick_form_or_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for words, complaint in ((["uv", "sync"], "in REASONS"), (["python", "benchmarks/new.py"], "in SCRIPTS")):
        with pytest.raises(AssertionError, match=complaint):
            quick(words, tmp_path, monkeypatch)


def test_the_readmes_runs_do_not_meet(monkeypatch: pytest.MonkeyPatch):
    """So that they can be typed one after the other."""
    monkeypatch.chdir(ROOT)
    folders = ["runs/arithmetic"]  # make train
    for command in commands(ROOT / "README.md"):
        if command.words[:2] != ["vineppo", "train"] or {"--dry-run"} & set(command.words) or command.is_inline:
            continue
        path, overrides = split_words(command.words[2:])
        folders.append(with_run_dir(load_config(path, overrides), path, overrides).run.dir)
    assert len(folders) > 10
    assert sorted(set(folders)) == sorted(folders)
