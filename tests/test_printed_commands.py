"""Every command that README.md and docs/*.md print can be typed: options are known, settings load, files exist.

What they do is tested where it is done; here nothing is trained, and no model is loaded.
"""

import re
import shlex
from pathlib import Path

import pytest

from vineppo.arguments import parse, split_words, with_policy
from vineppo.config.load import load_config
from vineppo.config.run_name import with_run_dir
from vineppo.config.schema import SftConfig
from vineppo.sweep.plan import make_plan

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"^\s*(?:\w+=\S* )*(?:python -m )?vineppo (.*)$")
"""A line that is one, perhaps after variables of the environment."""
OPEN = re.compile(r"\$|(^|\s)CONFIG(\s|$)|\.\.\.|(^|\s)my\.yaml(\s|$)")
"""What a reader must fill in before it can be typed."""


def commands(page: Path) -> list[list[str]]:
    """The words of each."""
    text = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))
    found = [match[1] for line in text.splitlines() if (match := COMMAND.match(line))]
    return [shlex.split(line, comments=True) for line in found if not OPEN.search(line)]


PRINTED = [pytest.param(words, id=f"{page.stem}: {' '.join(words)[:60]}") for page in PAGES for words in commands(page)]


def test_there_are_commands():
    assert len(PRINTED) > 40


@pytest.mark.parametrize("words", PRINTED)
def test_a_printed_command_can_be_typed(words: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    arguments = parse(words)
    match arguments.command:
        case "train" | "eval" | "explain" | "doctor":
            path, overrides = split_words(arguments.words)
            load_config(path, with_policy(overrides, getattr(arguments, "policy", None)))
        case "sft":
            load_config(*split_words(arguments.words), SftConfig)
        case "config":
            path, overrides = split_words(arguments.words)
            load_config(path, overrides)
        case "steps":
            _, rest = split_words(arguments.words)
            load_config(*split_words(rest))
        case "sweep":
            path, overrides = split_words(arguments.words)
            assert path is not None
            assert make_plan(path, overrides)
        case _:  # of files and runs that are made by other commands
            pass


def test_the_readmes_runs_do_not_meet(monkeypatch: pytest.MonkeyPatch):
    """So that they can be typed one after the other."""
    monkeypatch.chdir(ROOT)
    folders = ["runs/arithmetic"]  # make train
    for words in commands(ROOT / "README.md"):
        arguments = parse(words)
        if arguments.command == "train" and not arguments.dry_run:
            path, overrides = split_words(arguments.words)
            folders.append(with_run_dir(load_config(path, overrides), path, overrides).run.dir)
    assert len(folders) > 10
    assert sorted(set(folders)) == sorted(folders)
