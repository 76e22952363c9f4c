"""What may be typed after `vineppo`: commands, their options, and the words that follow."""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import NoReturn

from vineppo.policy_place import policy_of

OVERRIDE = re.compile(r"[\w.]*=")
"""How an override begins. A path may hold `=` too, e.g. runs/lr=1e-3/config.yaml, but not before its first `/`."""

PLACES = {"policy", "out", "file", "truth"}
"""Options that name a place: `~` is the home folder, as in a shell, which does not look behind a `=`."""

EXAMPLES = (
    ("vineppo train", "the defaults: VinePPO on arithmetic chains"),
    ("vineppo train configs/arithmetic.yaml credit=ppo", "the same run, credited by PPO's value network"),
    ("vineppo train my.yaml credit.rollouts=3 --dry-run", "what would happen, and what it would cost"),
    ("vineppo configs --out configs", "the configurations that come along, to start from"),
    ("vineppo config --keys credit.", "all settings that begin so, with their meaning"),
    ("vineppo eval configs/arithmetic.yaml --policy RUN", "accuracy of what a run has learned"),
    ("vineppo steps solutions.jsonl steps=math", "how solutions would be cut into steps"),
    (
        "vineppo explain task=gsm8k --policy DIR --question TEXT --answer 72",
        "which step of a solution earned its reward",
    ),
    ("vineppo analyze runs/arithmetic", "how good credit is: values, ranking, gradients"),
    ("vineppo compare runs/arithmetic-*", "accuracy against updates, time, tokens and KL"),
    ("vineppo sweep configs/sweeps/rollouts.yaml", "a study: every run in turn, then their comparison"),
    ("vineppo judge --gold '\\frac{1}{2}' --answer 0.5", "how an answer is read and judged, and why"),
    ("vineppo doctor configs/gsm8k.yaml", "will it run, and fit?"),
    ("vineppo import-gguf model.Q4_1.gguf --out DIR", "a model of llama.cpp's format, to be trained"),
)


def render_examples(width: int) -> str:
    """A line each; where the terminal is too narrow for that, what it does stands below."""
    longest = max(len(command) for command, _ in EXAMPLES)
    if width >= longest + 60:
        lines = [f"  {command:<{longest}}  {meaning}" for command, meaning in EXAMPLES]
    else:
        lines = [
            fill(text, width, initial_indent=" " * (2 + further), subsequent_indent=" " * 6, break_on_hyphens=False)
            for command, meaning in EXAMPLES
            for text, further in ((command, 0), (meaning, 4))
        ]
    return "\n".join(["examples:", *lines])


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command, its options and its words. Ends with code 2, and what may have been meant, where there is none."""
    parser, words = build_parser(), list(sys.argv[1:] if argv is None else argv)
    if not words:
        parser.print_help(sys.stderr)
        refuse("name a command, e.g. vineppo train")
    commands = command_parsers(parser)
    if not words[0].startswith("-") and words[0] not in commands:
        refuse(f"there is no command {words[0]!r}; {near(words[0], commands)}")
    # argparse takes only one run of positional words; those after an option are left over.
    arguments, rest = parser.parse_known_args(words)
    if unknown := next((word for word in rest if word.startswith("-")), None):
        options = commands[arguments.command]._option_string_actions  # pyright: ignore[reportPrivateUsage]
        refuse(
            f"{arguments.command} has no option {unknown.partition('=')[0]}; "
            f"{near(unknown.partition('=')[0], options, f'see vineppo {arguments.command} --help')}"
        )
    arguments.words = [word if OVERRIDE.match(word) else os.path.expanduser(word) for word in [*arguments.words, *rest]]
    for name in PLACES & vars(arguments).keys():
        value = getattr(arguments, name)
        setattr(arguments, name, value if value is None else type(value)(os.path.expanduser(value)))
    return arguments


def refuse(message: str) -> NoReturn:
    """End as other wrong input does."""
    print(f"vineppo: error: {message}", file=sys.stderr)
    raise SystemExit(2)


def near(word: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """What may have been meant, or what there is."""
    found = get_close_matches(word, list(known), n=1)
    return f"did you mean {found[0]}?" if found else otherwise or f"choose from {', '.join(known)}"


def command_parsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """All that may come first, by name."""
    return {
        name: own
        for action in parser._actions
        if isinstance(action.choices, dict)
        for name, own in action.choices.items()
    }


def build_parser() -> argparse.ArgumentParser:
    """All commands and options."""
    parser = argparse.ArgumentParser(
        prog="vineppo",
        description="RL finetuning of language models with refined credit assignment.",
        epilog=render_examples(get_terminal_size().columns),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"vineppo {version('vineppo')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train = add_command(commands, "train", "train a policy")
    train.add_argument(
        "--resume", action="store_true", help="continue this run from its last checkpoint, if there is one"
    )
    train.add_argument(
        "--probe",
        action="store_true",
        help="with --dry-run: forecast seconds, too, from two short iterations in a folder that is thrown away",
    )
    add_places(train, "start from this policy", "the run's folder; short for run.dir=DIR")
    sft = add_command(commands, "sft", "finetune on demonstrations: make a starting policy")
    sft.add_argument("--resume", action="store_true", help="continue the finetuning in --out from its last checkpoint")
    add_places(sft, "start from this policy", "where the policy is written; short for output=DIR")
    for command in (train, sft):
        command.add_argument("--dry-run", action="store_true", help="print the config and the cost, then stop")
    evaluate = add_command(commands, "eval", "measure a policy's accuracy on the test questions")
    add_places(evaluate, "the policy to measure", "for the responses; none: a new folder in runs")
    steps = add_command(commands, "steps", "show how a file of solutions is cut into steps", before="FILE ")
    steps.add_argument("--column", metavar="NAME", help="of a jsonl FILE: where the solutions are")
    add_places(steps, "cut by this policy's tokens, not by characters", None)
    steps.add_argument("--limit", metavar="N", type=int, help="take only the first N solutions, and show all of them")
    add_analyze(commands)
    add_instruments(commands)
    add_files(commands)
    doctor = add_command(commands, "doctor", "check versions, sampler, weight updates, judge and memory before a run")
    add_places(doctor, "the policy to check", None)
    doctor.add_argument(
        "--seconds",
        metavar="S",
        type=float,
        default=60.0,
        help="look as closely as so many seconds allow, and say what was left out (%(default)g)",
    )
    config = add_command(commands, "config", "print the resolved config as YAML")
    config.add_argument(
        "--keys",
        action="store_true",
        help="print all keys instead, or those that begin with the word given: type, default, meaning",
    )
    config.add_argument("--sft", action="store_true", help="the config of `vineppo sft`, not of `vineppo train`")
    return parser


def add_analyze(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`analyze` and its options."""
    analyze = add_command(commands, "analyze", "measure how good credit is", before="RUN | ")
    add_places(
        analyze, "analyse this policy, with the config's task and sampling law", "for the results; none: RUN/analysis/N"
    )
    analyze.add_argument("--checkpoint", metavar="N", type=int, help="of RUN: its iteration; none: the newest")
    analyze.add_argument(
        "--source",
        metavar="NAME",
        action="append",
        help="vine:K, coupled:K, tree:K, spo_tree, critic, group, grpo or constant; several times",
    )
    analyze.add_argument("--truth", metavar="FILE", type=Path, help="the cache of true values; none: beside them")


def add_instruments(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Commands that show and compare."""
    explain = add_command(commands, "explain", "show which step of a solution earned its reward, without training")
    add_places(explain, "whose solutions", "for page and labels; none: a new folder in runs")
    explain.add_argument("--question", metavar="TEXT", help="none, and no FILE: the task's first test questions")
    explain.add_argument("--answer", metavar="TEXT", help="the question's gold answer, without which nothing is judged")
    explain.add_argument("--file", metavar="FILE", help="jsonl: question or prompt, answer, perhaps given solutions")
    explain.add_argument("--limit", metavar="N", type=int, help="take only the first N questions")
    explain.add_argument("--solutions", metavar="N", type=int, help="sample N for each question, whatever is given")
    explain.add_argument(
        "--label-above",
        metavar="V",
        type=float,
        default=0.0,
        help="a step is labelled good where the value after it exceeds V (%(default)s: where any rollout succeeds)",
    )
    sweep = add_words(
        commands,
        "sweep",
        "make every run of a study, then compare them",
        usage="SWEEP [key=value ...]",
        metavar="SWEEP key=value",
        meaning="a YAML file of axes and seeds, then settings of the sweep (seeds=[0]) or of all its runs",
    )
    add_places(sweep, "start every run from this policy", "the folder of its runs; short for dir=DIR")
    sweep.add_argument("--dry-run", action="store_true", help="print the runs and their cost, then stop")
    judge = add_words(
        commands,
        "judge",
        "show how an answer is read and judged, and why",
        usage="PAIRS.jsonl | --gold TEXT --answer TEXT",
        metavar="PAIRS.jsonl",
        meaning="columns gold, answer (or prediction) and, where there is one, correct: what stands out is shown",
    )
    judge.add_argument("--gold", metavar="TEXT", help="the gold answer")
    judge.add_argument("--answer", metavar="TEXT", help="what stood in the box, or behind the marker")
    judge.add_argument("--limit", metavar="N", type=int, help="take only the first N pairs")
    compare = add_words(
        commands,
        "compare",
        "put runs side by side",
        usage="RUN ...",
        metavar="RUN",
        meaning="run directories, finished or not; those that differ only in their seed are taken together",
    )
    compare.add_argument(
        "--name",
        metavar="TEXT",
        action="append",
        default=[],
        help="what an experiment is called, in the order of the runs; once for each; none: by its folders",
    )
    compare.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("runs/comparison"), help="for page and tables (%(default)s)"
    )


def add_files(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Commands that fetch and convert."""
    configs = add_words(
        commands,
        "configs",
        "list the configurations that come along, or copy them",
        usage="[--out DIR [NAME ...]]",
        metavar="NAME",
        meaning="those to copy, e.g. arithmetic or sweeps/rollouts; none: all",
    )
    configs.add_argument("--out", metavar="DIR", type=Path, help="copy into this folder; none: only list")
    convert = add_words(
        commands,
        "import-gguf",
        "make a Hugging Face folder of a GGUF file",
        usage="FILE --out DIR",
        metavar="FILE",
        meaning="a model as llama.cpp reads it, of an architecture that transformers can read from such a file",
    )
    convert.add_argument("--out", metavar="DIR", type=Path, required=True, help="where the folder is written")


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str, *, before: str = ""
) -> argparse.ArgumentParser:
    """A command that takes a config file and overrides, and perhaps something before them."""
    meaning = "a YAML file (none: the defaults), then settings that override it, e.g. credit.rollouts=3 credit=ppo"
    usage = f"{before}[CONFIG] [key=value ...]"
    return add_words(commands, name, summary, usage=usage, metavar=f"{before}CONFIG key=value", meaning=meaning)


def add_places(command: argparse.ArgumentParser, policy: str, out: str | None) -> None:
    """`--policy`, and `--out` where something is written."""
    meaning = f"{policy}: a folder, a Hub name, a run or a checkpoint; short for policy.path"
    command.add_argument("--policy", metavar="DIR", help=meaning)
    if out is not None:
        command.add_argument("--out", metavar="DIR", type=Path, help=out)


def add_words(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    *,
    usage: str,
    metavar: str,
    meaning: str,
) -> argparse.ArgumentParser:
    """A command that takes options and words."""
    usage = f"vineppo {name} [options] {usage}"
    command = commands.add_parser(name, help=summary, description=summary, usage=usage, allow_abbrev=False)
    command.add_argument("words", nargs="*", metavar=metavar, help=meaning)
    return command


def with_policy(overrides: Sequence[str], policy: str | None) -> list[str]:
    """The overrides, and the policy that an option names."""
    return [*overrides, *setting("policy.path", None if policy is None else policy_of(policy))]


def setting(key: str, value: object) -> list[str]:
    """As an override; nothing where there is no value."""
    # JSON text is YAML text: a folder named 007 or `a: b` stays what it is.
    return [] if value is None else [f"{key}={json.dumps(str(value), ensure_ascii=False)}"]


def split_words(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The config file, if there is one, and the overrides, in whatever order they come."""
    for place, word in enumerate(words):
        if not OVERRIDE.match(word) and (place == 0 or "/" in word or word.endswith((".yaml", ".yml"))):
            return Path(word), [*words[:place], *words[place + 1 :]]
    return None, list(words)
