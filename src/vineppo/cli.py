"""The command line: the only reader of argv. What is heavy is imported where it is used, so that --help is quick."""

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from vineppo.config.estimate import estimate, render, render_sft
from vineppo.config.keys import describe_keys
from vineppo.config.load import dump_config, load_config
from vineppo.config.memory.show import render_forecast
from vineppo.config.schema import Config, SftConfig
from vineppo.errors import ProcessLostError, UserError
from vineppo.launch import find_launch
from vineppo.settings.model_shape import find_shape

FAILED, USER_ERROR, PROCESS_LOST, INTERRUPTED = 1, 2, 3, 130
OVERRIDE = re.compile(r"[\w.]*=")
"""How an override begins. A path may hold `=` too, e.g. runs/lr=1e-3/config.yaml, but not before its first `/`."""

EPILOG = """\
examples:
  vineppo train                                        the defaults: VinePPO on arithmetic chains
  vineppo train configs/arithmetic.yaml credit=ppo     the same run, credited by PPO's value network
  vineppo train my.yaml credit.rollouts=3 --dry-run    what would happen, and what it would cost
  vineppo config --keys                                all settings, with their meaning
  vineppo steps solutions.jsonl steps=math             how solutions would be cut into steps
  vineppo analyze runs/arithmetic                      how good credit is: values, ranking, gradients
  vineppo explain task=gsm8k --policy DIR --question 'How many ...?' --answer 72
                                                       credit without training: which step of a solution earned it
  vineppo compare runs/vine-* runs/ppo-*               accuracy against updates, time, tokens and KL
  vineppo judge --gold '\\frac{1}{2}' --answer 0.5       how an answer is read and judged, and why
  vineppo doctor configs/gsm8k.yaml                    will it run, and fit?
  vineppo sweep configs/sweeps/rollouts.yaml           a study: every run in turn, then their comparison
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit code: 0 done, 1 a check failed, 2 wrong input, 3 another process is lost, 130
    interrupted.
    """
    arguments = parse(argv)
    try:
        return run(arguments)
    except UserError as error:
        print(f"vineppo: error: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return USER_ERROR
    except ProcessLostError as error:
        print(f"vineppo: error: {error}", file=sys.stderr)
        return PROCESS_LOST
    except BrokenPipeError:  # who read our output is gone, as in `| head`; the last flush must not fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        print("vineppo: interrupted", file=sys.stderr)
        return INTERRUPTED


def run(arguments: argparse.Namespace) -> int:
    """The command that was asked for."""
    path, overrides = split_words(arguments.words)
    match arguments.command:
        case "train":
            return train(path, overrides, dry_run=arguments.dry_run, resume=arguments.resume)
        case "sft":
            return sft(path, overrides, dry_run=arguments.dry_run)
        case "eval":
            return evaluate(path, overrides, policy=arguments.policy)
        case "steps":
            column, policy, limit = arguments.column, arguments.policy, arguments.limit
            return steps(path, overrides, column=column, policy=policy, limit=limit)
        case "config":
            return show_config(path, overrides, model=SftConfig if arguments.sft else Config, keys=arguments.keys)
        case _:
            return look(arguments, path, overrides)


def look(arguments: argparse.Namespace, path: Path | None, overrides: Sequence[str]) -> int:
    """The instrument that was asked for."""
    match arguments.command:
        case "analyze":
            return analyze(path, overrides, arguments)
        case "explain":
            return explain(path, overrides, arguments)
        case "compare":
            return compare(arguments.words, out=Path(arguments.out))
        case "sweep":
            return sweep(path, overrides, dry_run=arguments.dry_run)
        case "doctor":
            return doctor(path, overrides)
        case "judge":
            return judge(arguments)
        case command:
            raise AssertionError(f"command {command!r} has no handler")


# --- commands ----------------------------------------------------------------------------------------------------


def train(path: Path | None, overrides: Sequence[str], *, dry_run: bool, resume: bool) -> int:
    """Train, or say what would happen."""
    config = load_config(path, overrides)
    if dry_run:
        if (launch := find_launch()).rank == 0:
            print(dump_config(config))
            print(render(estimate(config)))
            print(f"\n{render_forecast(config, find_shape(config.policy.path), launch)}")
        return 0
    from vineppo.processes import end_processes
    from vineppo.trainer import Trainer

    finished = Trainer(config, resume=resume).train().finished
    end_processes()
    return 0 if finished else INTERRUPTED


def sft(path: Path | None, overrides: Sequence[str], *, dry_run: bool) -> int:
    """Finetune on demonstrations, or say what would happen."""
    config = load_config(path, overrides, SftConfig)
    if dry_run:
        print(dump_config(config))
        print(render_sft(config))
        return 0
    from vineppo.recipes.sft import finetune

    return finetune(config)


def evaluate(path: Path | None, overrides: Sequence[str], *, policy: str | None) -> int:
    """Measure a policy's accuracy."""
    config = load_config(path, with_policy(overrides, policy))
    from vineppo.trainer import evaluate_policy

    metrics = evaluate_policy(config)
    if "eval/reward" in metrics:
        print(f"reward {metrics['eval/reward']:.4f} +- {metrics['eval/standard_error']:.4f}")
    else:
        print(f"accuracy {metrics['eval/accuracy']:.2%} +- {metrics['eval/standard_error']:.2%}")
    if metrics.get("eval/clipped_ratio") == 1:
        print("warning: all responses were cut off at sampling.max_new_tokens; vineppo doctor says what ends one")
    return 0


def steps(file: Path | None, words: Sequence[str], *, column: str | None, policy: str | None, limit: int | None) -> int:
    """Show how a file of solutions is cut into steps."""
    if file is None:
        raise UserError("no file of solutions is named; put it first, e.g. vineppo steps solutions.jsonl steps=math")
    path, overrides = split_words(words)
    config = load_config(path, with_policy(overrides, policy))
    from vineppo.preview import preview

    preview(config, file, column=column, use_policy=policy is not None, limit=limit)
    return 0


def analyze(path: Path | None, overrides: Sequence[str], arguments: argparse.Namespace) -> int:
    """Measure how good credit is."""
    from vineppo.analyze import analyze_credit

    sources = [f"analysis.sources={json.dumps(arguments.source)}"] if arguments.source else []
    analyze_credit(
        path,
        [*overrides, *sources],
        policy=arguments.policy,
        checkpoint=arguments.checkpoint,
        output=arguments.output,
        truth=arguments.truth,
    )
    return 0


def explain(path: Path | None, overrides: Sequence[str], arguments: argparse.Namespace) -> int:
    """Show where the credit of solutions lies, without training."""
    config = load_config(path, with_policy(overrides, arguments.policy))
    from vineppo.explain import Wanted, explain

    file, out = (None if word is None else Path(word) for word in (arguments.file, arguments.out))
    wanted = Wanted(question=arguments.question, answer=arguments.answer, file=file, limit=arguments.limit)
    explain(config, wanted, count=arguments.solutions, threshold=arguments.label_above, out=out)
    return 0


def compare(runs: Sequence[str], *, out: Path) -> int:
    """Put runs side by side."""
    from vineppo.compare import compare_runs

    compare_runs([Path(run) for run in runs], out)
    return 0


def sweep(file: Path | None, overrides: Sequence[str], *, dry_run: bool) -> int:
    """Make every run of a study and compare them, or say what would happen."""
    if file is None:
        raise UserError("no sweep is named; put its file first, e.g. vineppo sweep configs/sweeps/rollouts.yaml")
    from vineppo.sweep import run_sweep, show_plan

    if dry_run:
        show_plan(file, overrides)
        return 0
    return 0 if run_sweep(file, overrides) else INTERRUPTED


def doctor(path: Path | None, overrides: Sequence[str]) -> int:
    """Check whether everything is as a run needs it."""
    config = load_config(path, overrides)
    from vineppo.doctor import diagnose

    return 0 if diagnose(config) else FAILED


def judge(arguments: argparse.Namespace) -> int:
    """Show how answers are read and judged."""
    from vineppo.judging import judge_file, judge_pair

    match arguments.words, arguments.gold, arguments.answer:
        case [], str(gold), str(answer):
            right = judge_pair(gold, answer)
        case [file], None, None:
            right = judge_file(Path(file), arguments.limit)
        case _:
            raise UserError(
                "give either a file of pairs, or --gold TEXT and --answer TEXT, e.g. --gold 1/2 --answer 0.5"
            )
    return 0 if right else FAILED


def show_config(
    path: Path | None, overrides: Sequence[str], *, model: type[Config] | type[SftConfig], keys: bool
) -> int:
    """Print the resolved config, or the reference of all keys."""
    print(render_keys(model) if keys else dump_config(load_config(path, overrides, model)), end="")
    return 0


def render_keys(model: type[Config] | type[SftConfig]) -> str:
    """One line a key, in columns."""
    rows = [("key", "where name is", "type", "default", "meaning")]
    rows += [(row.key, row.variant, row.type, row.default, row.meaning) for row in describe_keys(model)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


# --- argv --------------------------------------------------------------------------------------------------------


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command, its options and its words."""
    parser = build_parser()
    # argparse takes only one run of positional words; those after an option are left over.
    arguments, rest = parser.parse_known_args(argv)
    unknown = [word for word in rest if word.startswith("-")]
    if unknown:
        parser.error(f"unknown option {unknown[0]}; see vineppo {arguments.command} --help")
    arguments.words += rest
    return arguments


def build_parser() -> argparse.ArgumentParser:
    """All commands and options."""
    parser = argparse.ArgumentParser(
        prog="vineppo",
        description="RL finetuning of language models with refined credit assignment.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"vineppo {version('vineppo')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train = add_command(commands, "train", "train a policy")
    train.add_argument("--resume", action="store_true", help="continue the run in run.dir from its last checkpoint")
    sft = add_command(commands, "sft", "finetune on demonstrations: make a starting policy")
    for command in (train, sft):
        command.add_argument("--dry-run", action="store_true", help="print the config and the cost, then stop")
    evaluate = add_command(commands, "eval", "measure a policy's accuracy on the test questions")
    evaluate.add_argument("--policy", metavar="DIR", help="the policy to measure; short for policy.path=DIR")
    steps = add_command(commands, "steps", "show how a file of solutions is cut into steps", before="FILE ")
    steps.add_argument("--column", metavar="NAME", help="of a jsonl FILE: where the solutions are")
    steps.add_argument("--policy", metavar="DIR", help="cut by this policy's tokens, not by characters")
    steps.add_argument("--limit", metavar="N", type=int, help="take only the first N solutions, and show all of them")
    add_analyze(commands)
    add_instruments(commands)
    add_command(commands, "doctor", "check versions, sampler, weight updates, judge and memory before a run")
    config = add_command(commands, "config", "print the resolved config as YAML")
    config.add_argument("--keys", action="store_true", help="print all keys with type, default and meaning instead")
    config.add_argument("--sft", action="store_true", help="the config of `vineppo sft`, not of `vineppo train`")
    return parser


def add_analyze(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`analyze` and its options."""
    analyze = add_command(commands, "analyze", "measure how good credit is", before="RUN | ")
    analyze.add_argument("--policy", metavar="DIR", help="analyse this policy, with the config's task and sampling law")
    analyze.add_argument("--checkpoint", metavar="N", type=int, help="of RUN: its iteration; none: the newest")
    analyze.add_argument(
        "--source",
        metavar="NAME",
        action="append",
        help="vine:K, coupled:K, tree:K, critic, group, grpo or constant; several times",
    )
    analyze.add_argument("--output", metavar="DIR", type=Path, help="where the results go; none: RUN/analysis/N")
    analyze.add_argument("--truth", metavar="FILE", type=Path, help="the cache of true values; none: beside them")


def add_instruments(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Commands that show and compare."""
    explain = add_command(commands, "explain", "show which step of a solution earned its reward, without training")
    explain.add_argument("--policy", metavar="DIR", help="whose solutions; short for policy.path=DIR")
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
    explain.add_argument("--out", metavar="DIR", help="for page and labels; none: a new folder in runs")
    sweep = add_words(
        commands,
        "sweep",
        "make every run of a study, then compare them",
        usage="SWEEP [key=value ...]",
        metavar="SWEEP key=value",
        meaning="a YAML file of axes and seeds, then settings of the sweep (seeds=[0]) or of all its runs",
    )
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
    compare.add_argument("--out", metavar="DIR", default="runs/comparison", help="for page and tables (%(default)s)")


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str, *, before: str = ""
) -> argparse.ArgumentParser:
    """A command that takes a config file and overrides, and perhaps something before them."""
    meaning = "a YAML file (none: the defaults), then settings that override it, e.g. credit.rollouts=3 credit=ppo"
    usage = f"{before}[CONFIG] [key=value ...]"
    return add_words(commands, name, summary, usage=usage, metavar=f"{before}CONFIG key=value", meaning=meaning)


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
    # JSON text is YAML text: a folder named 007 or `a: b` stays what it is.
    named = [] if policy is None else [f"policy.path={json.dumps(policy, ensure_ascii=False)}"]
    return [*overrides, *named]


def split_words(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The config file, if there is one, and the overrides."""
    if words and not OVERRIDE.match(words[0]):
        return Path(words[0]), list(words[1:])
    return None, list(words)
