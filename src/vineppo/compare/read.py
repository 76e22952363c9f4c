"""Run directories to a comparison: which are the same experiment, and what a reader must know before believing it."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise, takewhile
from pathlib import Path

from vineppo.analysis.configurations import Settings, differing_keys, names_of, settings_of
from vineppo.analysis.reaching import make_reaches, make_targets
from vineppo.analysis.run_comparison import RunCurve, make_experiment, read_points, shared_axes
from vineppo.errors import UserError
from vineppo.places import nearest
from vineppo.report.comparison_page import Compared
from vineppo.report.run_data import Run, read_run

BEFORE_SEED = re.compile(r"[-_,.= ]*(seed)?[-_,.= ]*$")
"""What stands between a name and its seed."""
OUTPUTS = ("comparison.html", "explanation.html", "responses.jsonl", "analysis.html")
"""What comparisons, explanations and evaluations leave behind."""
FEW_SEEDS = 3
"""Below this, an interval over seeds says little."""


def read_comparison(folders: Sequence[Path], called: Sequence[str] = ()) -> Compared:
    """Runs without an evaluation are left out. Raises UserError for folders that are no runs, come twice or have
    nothing to compare.

    called: names of the experiments, in order; none: by their folders.
    """
    if not folders:
        raise UserError("no run is named; give run directories, e.g. vineppo compare runs/vine-0 runs/ppo-0")
    folders, passed = part_outputs(folders)
    for folder in folders:
        check_run(folder)
    resolved = [folder.resolve() for folder in folders]
    for folder in folders:
        if resolved.count(folder.resolve()) > 1:
            raise UserError(f"{folder} is given twice; name every run once")
    names = distinct_names(resolved)
    runs = {name: read_run(folder) for name, folder in zip(names, folders, strict=True)}
    curves, early = part_early({name: curve_of(name, run) for name, run in runs.items()})
    runs = {name: runs[name] for name in curves}
    every = group(runs, called)
    grouped = {title: once_a_seed(own, curves) for title, own in every.items()}
    left_out = [name for title, own in every.items() for name in own if name not in grouped[title]]
    runs = {name: run for name, run in runs.items() if name not in left_out}
    experiments = tuple(make_experiment(title, [curves[name] for name in own]) for title, own in grouped.items())
    axes = shared_axes(experiments)
    if not axes:
        raise UserError(
            "the runs share none of the metrics updates, time/total, num_tokens and kl, so there is nothing to compare "
            "accuracy against; leave out the runs that lack them"
        )
    settings = [settings_of(runs[own[0]].config) for own in grouped.values()]
    return Compared(
        experiments=experiments,
        axes=axes,
        targets=make_targets(experiments),
        reaches=make_reaches(experiments, axes),
        runs=runs,
        grouped=grouped,
        differing=differing(settings, list(grouped)),
        cautions=(*passed, *early, *doubles(left_out, curves), *cautions(runs, grouped, settings)),
    )


def part_outputs(folders: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Without what other commands left in `runs`, and a word about what else is passed over. Where no folder is a run,
    all stay."""
    runs = [folder for folder in folders if is_run(folder)]
    others = [folder for folder in folders if not is_run(folder) and not is_output(folder)]
    # What is not there at all was mistyped.
    missing = [folder for folder in others if not folder.is_dir()]
    if not runs or missing:
        return [*runs, *missing] if runs else list(folders), []
    passed = [str(folder) for folder in others]
    return runs, [f"Passed over, since they are no runs: {', '.join(passed)}."] if passed else []


def is_run(folder: Path) -> bool:
    """Whether it has metrics."""
    return (folder / "metrics.jsonl").is_file()


def is_output(folder: Path) -> bool:
    """Whether a folder, as `runs/*` may name one, is what another command left there."""
    return not is_run(folder) and any((folder / name).is_file() for name in OUTPUTS)


def check_run(folder: Path) -> None:
    """A folder with metrics."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder{nearest(folder)}; give run directories, which hold metrics.jsonl")
    if not is_run(folder):
        inside = sorted(path.parent for path in folder.glob("*/metrics.jsonl"))
        hint = f"it holds the runs {', '.join(map(str, inside[:3]))}; name those" if inside else "name a run directory"
        raise UserError(f"{folder} is no run: it has no metrics.jsonl; {hint}")


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """As many of the last parts of each path as it takes to tell all apart."""
    for length in range(1, max(len(folder.parts) for folder in folders) + 1):
        names = ["/".join(folder.parts[-length:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    raise AssertionError("different folders have different paths")


def part_early(curves: Mapping[str, RunCurve]) -> tuple[dict[str, RunCurve], list[str]]:
    """Those that were evaluated, and a word about the others. Raises UserError where that leaves none."""
    evaluated = {name: curve for name, curve in curves.items() if curve.points}
    early = ", ".join(name for name in curves if name not in evaluated)
    if not evaluated:
        raise UserError(f"{early}: no eval/accuracy in metrics.jsonl yet; wait for the first evaluation")
    return evaluated, [f"Left out, not evaluated yet: {early}."] if early else []


def curve_of(name: str, run: Run) -> RunCurve:
    """A run's evaluations."""
    seed = run.setting("training", "seed")
    return RunCurve(name=name, seed=seed if isinstance(seed, int) else None, points=read_points(run.metrics))


def group(runs: Mapping[str, Run], called: Sequence[str] = ()) -> dict[str, list[str]]:
    """Names of runs by experiment, in the order given. A run without a config is an experiment of its own."""
    found: list[tuple[Settings, list[str]]] = []
    for name, run in runs.items():
        settings = settings_of(run.config)
        same = next((own for known, own in found if settings and known == settings), None)
        if same is None:
            found.append((settings, [name]))
        else:
            same.append(name)
    members = [own for _, own in found]
    titles = [common_name(own) for own in members]
    if len(set(titles)) < len(titles) or not all(titles):
        titles = names_of([settings for settings, _ in found], [own[0] for own in members])
    if called and (len(called) != len(found) or len(set(called)) < len(called)):
        there = "; ".join(f"{title} ({', '.join(own)})" for title, own in zip(titles, members, strict=True))
        raise UserError(
            f"--name is given for {', '.join(called)}, but needs one name for each of {len(found)} experiments, which "
            f"are {there}"
        )
    return dict(zip(called or titles, members, strict=True))


def common_name(folders: Sequence[str]) -> str:
    """What the names of runs begin with, up to their seeds: vine of vine-0 and vine-1. Empty where that is nothing."""
    if len(folders) == 1:
        return folders[0]
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*folders, strict=False))
    shared = "".join(letters[0] for letters in alike)
    if all(name[len(shared) :][:1].isdigit() for name in folders):  # seeds 10 and 11 share a digit
        shared = shared.rstrip("0123456789")
    return BEFORE_SEED.sub("", shared)


def once_a_seed(names: Sequence[str], curves: Mapping[str, RunCurve]) -> list[str]:
    """Of runs with one seed, which are one sample, the one that was evaluated most often."""
    best: dict[object, str] = {}
    for name in names:
        seed = name if curves[name].seed is None else curves[name].seed
        if seed not in best or len(curves[name].points) > len(curves[best[seed]].points):
            best[seed] = name
    return [name for name in names if name in best.values()]


def doubles(left_out: Sequence[str], curves: Mapping[str, RunCurve]) -> list[str]:
    """That seeds are counted once."""
    told = ", ".join(f"{name} (seed {curves[name].seed})" for name in left_out)
    return [f"Left out, since another run of its experiment has the same seed: {told}."] if told else []


def differing(settings: Sequence[Settings], titles: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(key, value in each experiment) for every setting in which experiments differ."""
    if len(titles) == 1:
        return ()
    return tuple(
        (key, tuple(str(own[key]) if key in own else "" for own in settings)) for key in differing_keys(settings)
    )


def cautions(runs: Mapping[str, Run], grouped: Mapping[str, Sequence[str]], settings: Sequence[Settings]) -> list[str]:
    """What might mislead."""
    found = []
    few = [title for title, own in grouped.items() if len(own) < FEW_SEEDS]
    if few:
        found.append(f"Fewer than {FEW_SEEDS} seeds of {', '.join(few)}: differences may be luck.")
    unfinished = [name for name, run in runs.items() if run.summary is None]
    if unfinished:
        found.append(f"Not finished: {', '.join(unfinished)}. Their last evaluation is not their final one.")
    for parts, what in ((map(task_of, settings), "questions"), (map(evaluation_of, settings), "ways of evaluating")):
        if any(before != after for before, after in pairwise(parts)):
            found.append(f"The experiments have different {what}: their accuracies are not of the same thing.")
    machines = {(run.provenance.get("platform"), run.provenance.get("torch")) for run in runs.values()}
    if len(machines) > 1:
        found.append("The runs were made on different platforms or versions of torch: their seconds do not compare.")
    return found


def task_of(settings: Settings) -> Settings:
    """What is asked."""
    return {key: value for key, value in settings.items() if key.startswith("task.")}


def evaluation_of(settings: Settings) -> Settings:
    """How it is evaluated, with what the sampling law lends. How often is no matter."""
    own = {key: value for key, value in settings.items() if key.startswith("evaluation.") and key != "evaluation.every"}
    lent = {
        f"evaluation.{key}": settings.get(f"sampling.{key}")
        for key in ("temperature", "top_p")
        if own.get(f"evaluation.{key}") is None
    }
    always = {key: settings.get(f"sampling.{key}") for key in ("top_k", "max_new_tokens")}
    return {**own, **lent, **always}
