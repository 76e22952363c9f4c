"""The commands: what the words of `vineppo.arguments` come to. What is heavy is imported only where it is used."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill

from vineppo.arguments import parse, setting, split_words, with_policy
from vineppo.config.estimate import render_sft
from vineppo.config.keys import describe_keys
from vineppo.config.load import dump_config, load_config, parse_override
from vineppo.config.run_name import with_run_dir
from vineppo.config.schema import Config, SftConfig
from vineppo.disk import is_full
from vineppo.dry_run import show_dry_run
from vineppo.errors import ProcessLostError, UserError
from vineppo.launch import find_launch
from vineppo.policy_place import check_policy, config_of, policy_of
from vineppo.recipes.target import find_target
from vineppo.run_dir import RunDir
from vineppo.settings.strict import leaves
from vineppo.waiting import loaded, loading

OF_A_POLICY = ("eval", "explain", "doctor", "analyze")
"""Commands that look at one. Where no config is named, a run brings its own."""
FAILED, USER_ERROR, PROCESS_LOST, INTERRUPTED = 1, 2, 3, 130


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
    except OSError as error:  # what no single place has told better
        if not is_full(error):
            raise
        where = f" ({error.filename})" if error.filename else ""
        print(f"vineppo: error: no space left on the disk{where}; free some, then run it again", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("vineppo: interrupted", file=sys.stderr)
        return INTERRUPTED
    finally:
        loaded()


def run(arguments: argparse.Namespace) -> int:
    """The command that was asked for."""
    path, overrides = split_words(arguments.words)
    if path is None and arguments.command in OF_A_POLICY and arguments.policy is not None:
        path = config_of(arguments.policy)  # else a run's policy would be asked the default task's questions
    match arguments.command:
        case "train":
            overrides = with_policy([*overrides, *setting("run.dir", arguments.out)], arguments.policy)
            return train(path, overrides, dry_run=arguments.dry_run, resume=arguments.resume, probe=arguments.probe)
        case "sft":
            overrides = with_policy([*overrides, *setting("output", arguments.out)], arguments.policy)
            return sft(path, overrides, dry_run=arguments.dry_run, resume=arguments.resume)
        case "eval":
            return evaluate(path, overrides, policy=arguments.policy, out=arguments.out)
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
        case "sweep":
            overrides = with_policy([*overrides, *setting("dir", arguments.out)], arguments.policy)
            return sweep(path, overrides, dry_run=arguments.dry_run)
        case "doctor":
            return doctor(path, with_policy(overrides, arguments.policy), seconds=arguments.seconds)
        case _:
            return read_files(arguments)


def read_files(arguments: argparse.Namespace) -> int:
    """What needs no config."""
    match arguments.command:
        case "compare":
            return compare(arguments.words, names=arguments.name, out=arguments.out)
        case "judge":
            return judge(arguments)
        case "configs":
            return configs(arguments.words, out=arguments.out)
        case "import-gguf":
            return import_model(arguments.words, out=arguments.out)
        case command:
            raise AssertionError(f"command {command!r} has no handler")


def begin(command: str, about: str, policy: str | None = None) -> None:
    """Say what comes next, and look whether the policy is there, before the libraries take their seconds.

    Of several processes one says it.
    """
    is_first = find_launch().rank == 0
    if is_first:
        print(f"{command}: {about}; loading libraries{'' if policy is None else f' and {policy}'} ...", flush=True)
    if policy is not None:
        check_policy(policy)
    if is_first:
        loading()


# --- commands ----------------------------------------------------------------------------------------------------


def train(path: Path | None, overrides: Sequence[str], *, dry_run: bool, resume: bool, probe: bool = False) -> int:
    """Train, or say what would happen."""
    config = with_run_dir(load_config(path, overrides), path, overrides)
    if probe and not dry_run:
        raise UserError("--probe tells what --dry-run forecasts in seconds; give both")
    if dry_run:
        show_dry_run(config, probe=probe)
        return 0
    check_run_dir(config, resume=resume)
    begin("train", f"task {config.task.called}, credit {config.credit.called}", config.policy.path)
    from vineppo.processes import end_processes
    from vineppo.trainer import Trainer

    finished = Trainer(config, resume=resume).train().finished
    end_processes()
    return 0 if finished else INTERRUPTED


def check_run_dir(config: Config, *, resume: bool) -> None:
    """Say where the run will be, and refuse what cannot be there, before torch takes its seconds."""
    directory, launch = RunDir(Path(config.run.dir)), find_launch()
    if launch.count == 1 and not directory.failed_start:  # of several processes another may have begun to write there
        directory.check(config, resume=resume)
    if launch.rank == 0:
        new = resume and not directory.config_file.exists()
        print(f"run.dir {directory.root}{': nothing to resume there, a new run begins' if new else ''}", flush=True)


def sft(path: Path | None, overrides: Sequence[str], *, dry_run: bool, resume: bool) -> int:
    """Finetune on demonstrations, or say what would happen."""
    config = load_config(path, overrides, SftConfig)
    if dry_run:
        print(dump_config(config))
        print(render_sft(config))
        return 0
    begin("sft", f"task {config.task.called}, into {config.output}", config.policy.path if config.policy else None)
    from vineppo.recipes.sft import finetune

    return finetune(config, resume=resume)


def evaluate(path: Path | None, overrides: Sequence[str], *, policy: str | None, out: Path | None) -> int:
    """Measure a policy's accuracy."""
    config = load_config(path, with_policy(overrides, policy))
    begin("eval", f"task {config.task.called}", config.policy.path)
    from vineppo.evaluating import evaluate_and_tell

    evaluate_and_tell(config, out)
    return 0


def steps(file: Path | None, words: Sequence[str], *, column: str | None, policy: str | None, limit: int | None) -> int:
    """Show how a file of solutions is cut into steps."""
    if file is None:
        raise UserError("no file of solutions is named; put it first, e.g. vineppo steps solutions.jsonl steps=math")
    path, overrides = split_words(words)
    config = load_config(path, with_policy(overrides, policy))
    if policy is not None:
        begin("steps", f"{file} cut by {config.steps.called}", config.policy.path)
    from vineppo.preview import preview

    preview(config, file, column=column, use_policy=policy is not None, limit=limit)
    return 0


def analyze(path: Path | None, overrides: Sequence[str], arguments: argparse.Namespace) -> int:
    """Measure how good credit is."""
    sources = [f"analysis.sources={json.dumps(arguments.source)}"] if arguments.source else []
    policy = None if arguments.policy is None else policy_of(arguments.policy)
    target = find_target(path, [*overrides, *sources], policy=policy, checkpoint=arguments.checkpoint)
    begin("analyze", f"task {target.config.task.called}", target.config.policy.path)
    from vineppo.analyze import analyze_credit

    analyze_credit(target, out=arguments.out, truth=arguments.truth)
    return 0


def explain(path: Path | None, overrides: Sequence[str], arguments: argparse.Namespace) -> int:
    """Show where the credit of solutions lies, without training."""
    config = load_config(path, with_policy(overrides, arguments.policy))
    begin("explain", f"task {config.task.called}, credit {config.credit.called}", config.policy.path)
    from vineppo.explain import LOOK, Wanted, explain

    file = None if arguments.file is None else Path(arguments.file)
    if not sets_rollouts(overrides):
        config = config.model_copy(update={"credit": config.credit.for_looking(LOOK)})
    wanted = Wanted(question=arguments.question, answer=arguments.answer, file=file, limit=arguments.limit)
    explain(config, wanted, count=arguments.solutions, threshold=arguments.label_above, out=arguments.out)
    return 0


def sets_rollouts(overrides: Sequence[str]) -> bool:
    """Whether they say more of credit than its method."""
    given = [key for text in overrides for key in leaves(parse_override(text))]
    return any(key.startswith("credit.") and key != "credit.name" for key in given)


def compare(runs: Sequence[str], *, names: Sequence[str], out: Path) -> int:
    """Put runs side by side."""
    from vineppo.compare import compare_runs

    compare_runs([Path(run) for run in runs], out, names=names)
    return 0


def sweep(file: Path | None, overrides: Sequence[str], *, dry_run: bool) -> int:
    """Make every run of a study and compare them, or say what would happen."""
    if file is None:
        raise UserError("no sweep is named; put its file first, e.g. vineppo sweep configs/sweeps/rollouts.yaml")
    from vineppo.sweep import describe, run_sweep
    from vineppo.sweep.plan import make_plan

    plan = make_plan(file, overrides)
    if dry_run:
        print(describe(plan))
        return 0
    begin("sweep", f"{len(plan)} runs")
    return 0 if run_sweep(plan) else INTERRUPTED


def doctor(path: Path | None, overrides: Sequence[str], *, seconds: float) -> int:
    """Check whether everything is as a run needs it."""
    config = load_config(path, overrides)
    begin("doctor", f"policy {config.policy.path}, task {config.task.called}")
    from vineppo.doctor import diagnose

    return 0 if diagnose(config, seconds=seconds) else FAILED


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


def configs(names: list[str], *, out: Path | None) -> int:
    """List the configurations that come along, or copy them."""
    from vineppo.shipped import copy_configs, list_configs

    if out is None and names:
        raise UserError("say where the copies go with --out FOLDER, e.g. vineppo configs arithmetic --out configs")
    print(list_configs() if out is None else "\n".join(map(str, copy_configs(names, out))))
    return 0


def import_model(words: Sequence[str], *, out: Path) -> int:
    """Make a folder that can be trained of a GGUF file."""
    if len(words) != 1:
        raise UserError("name one GGUF file, e.g. vineppo import-gguf model.Q4_1.gguf --out build/model")
    begin("import-gguf", f"{words[0]} into {out}")
    from vineppo.import_gguf import import_gguf

    import_gguf(Path(words[0]), out)
    return 0


def show_config(
    path: Path | None, overrides: Sequence[str], *, model: type[Config] | type[SftConfig], keys: bool
) -> int:
    """Print the resolved config, or the reference of all keys."""
    print(render_keys(model, str(path or "")) if keys else dump_config(load_config(path, overrides, model)), end="")
    return 0


def render_keys(model: type[Config] | type[SftConfig], prefix: str = "") -> str:
    """Those that begin so: one line a key, in columns; on a terminal too narrow for that, a paragraph a key."""
    found = [row for row in describe_keys(model) if row.key.startswith(prefix)]
    if not found:
        raise UserError(f"no key begins with {prefix!r}; see all with vineppo config --keys")
    rows = [("key", "where name is", "type", "default", "meaning")]
    rows += [(row.key, row.variant, row.type, row.default, " ".join(row.meaning.split())) for row in found]
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        width = get_terminal_size().columns
        return "".join(
            fill(
                f"{key}{f' ({variant})' if variant else ''}: {kind}, default {default}. {meaning}",
                width,
                subsequent_indent="    ",
                break_on_hyphens=False,
            )
            + "\n"
            for key, variant, kind, default, meaning in rows[1:]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)
