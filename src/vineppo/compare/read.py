"""Run directories to a comparison: which are the same experiment, and what a reader must know before believing it."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from vineppo.analysis.configurations import Settings, differing_keys, names_of, settings_of
from vineppo.analysis.reaching import make_reaches, make_targets
from vineppo.analysis.run_comparison import RunCurve, make_experiment, read_points, shared_axes
from vineppo.errors import UserError
from vineppo.places import nearest
from vineppo.report.comparison_page import Compared
from vineppo.report.run_data import Run, read_run

OUTPUTS = ("comparison.html", "explanation.html", "responses.jsonl")
"""What comparisons, explanations and evaluations leave behind."""
FEW_SEEDS = 3
"""Below this, an interval over seeds says little."""


def read_comparison(folders: Sequence[Path]) -> Compared:
    """Raises UserError for folders that are no runs, come twice or have nothing to compare."""
    if not folders:
        raise UserError("no run is named; give run directories, e.g. vineppo compare runs/vine-0 runs/ppo-0")
    folders = [folder for folder in folders if not is_output(folder)] or folders
    for folder in folders:
        check_run(folder)
    resolved = [folder.resolve() for folder in folders]
    for folder in folders:
        if resolved.count(folder.resolve()) > 1:
            raise UserError(f"{folder} is given twice; name every run once")
    names = distinct_names(resolved)
    runs = {name: read_run(folder) for name, folder in zip(names, folders, strict=True)}
    curves = {name: curve_of(name, run) for name, run in runs.items()}
    grouped = group(runs)
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
        cautions=tuple(cautions(runs, curves, grouped, settings)),
    )


def is_output(folder: Path) -> bool:
    """Whether a folder, as `runs/*` may name one, is what another command left there."""
    return not (folder / "metrics.jsonl").is_file() and any((folder / name).is_file() for name in OUTPUTS)


def check_run(folder: Path) -> None:
    """A folder with metrics."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder{nearest(folder)}; give run directories, which hold metrics.jsonl")
    if not (folder / "metrics.jsonl").is_file():
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


def curve_of(name: str, run: Run) -> RunCurve:
    """A run's evaluations."""
    points = read_points(run.metrics)
    if not points:
        raise UserError(
            f"{name} has no eval/accuracy in its metrics.jsonl yet; wait for its first evaluation, or leave it out"
        )
    seed = run.setting("training", "seed")
    return RunCurve(name=name, seed=seed if isinstance(seed, int) else None, points=points)


def group(runs: Mapping[str, Run]) -> dict[str, list[str]]:
    """Names of runs by experiment, in the order given. A run without a config is an experiment of its own."""
    found: list[tuple[Settings, list[str]]] = []
    for name, run in runs.items():
        settings = settings_of(run.config)
        same = next((own for known, own in found if settings and known == settings), None)
        if same is None:
            found.append((settings, [name]))
        else:
            same.append(name)
    titles = names_of([settings for settings, _ in found], [own[0] for _, own in found])
    return dict(zip(titles, (own for _, own in found), strict=True))


def differing(settings: Sequence[Settings], titles: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(key, value in each experiment) for every setting in which experiments differ."""
    if len(titles) == 1:
        return ()
    return tuple(
        (key, tuple(str(own[key]) if key in own else "" for own in settings)) for key in differing_keys(settings)
    )


def cautions(
    runs: Mapping[str, Run],
    curves: Mapping[str, RunCurve],
    grouped: Mapping[str, Sequence[str]],
    settings: Sequence[Settings],
) -> list[str]:
    """What might mislead."""
    found = []
    few = [title for title, own in grouped.items() if len(own) < FEW_SEEDS]
    if few:
        found.append(f"Fewer than {FEW_SEEDS} seeds of {', '.join(few)}: differences may be luck.")
    for title, own in grouped.items():
        seeds = [curves[name].seed for name in own]
        twice = sorted({seed for seed in seeds if seed is not None and seeds.count(seed) > 1})
        if twice:
            found.append(
                f"Several runs of {title} have seed {', '.join(map(str, twice))}: they are one sample, not several."
            )
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
