"""The runs of a study: the grid and its finals, on seeds and questions of their own, then the best on test seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from equal_tuning.jobs import Job
from equal_tuning.methods import Method, Point, Study, slug
from vineppo.analysis.run_comparison import RunCurve, read_points
from vineppo.run_dir import RunDir

Grid = dict[tuple[str, str], Job]
"""By method and point."""


def first_round(study: Study, methods: Sequence[Method], home: Path) -> Grid:
    """Every point, for a part of a run."""
    return {
        (method.name, point.name): tuning_job(study, method, point, home / "grid", last=False)
        for method in methods
        for point in study.grid(method)
    }


def second_round(study: Study, methods: Sequence[Method], first: Grid, home: Path) -> Grid:
    """The best of each method on another seed, for a whole run: what is fast at first need not last."""
    scores = score_all(first)
    return {
        (method.name, point.name): tuning_job(study, method, point, home / "finals", last=True)
        for method in methods
        for point in ranked(study, method, scores)[: study.finalists]
    }


def tuning_job(study: Study, method: Method, point: Point, home: Path, *, last: bool) -> Job:
    """One run of the grid."""
    seed, share = (study.tuning_seeds[1], 1.0) if last else (study.tuning_seeds[0], study.tuning_share)
    return job(study, method, point, seed, home, (*study.length(method, share), *study.tuning_settings))


def test_jobs(
    study: Study, methods: Sequence[Method], best: Mapping[str, Point], seeds: Sequence[int], home: Path
) -> dict[str, list[Job]]:
    """By method: a run for each test seed, at the rates that were chosen."""
    return {
        method.name: [
            job(study, method, best[method.name], seed, home / "test", study.length(method, 1.0)) for seed in seeds
        ]
        for method in methods
    }


def job(study: Study, method: Method, point: Point, seed: int, home: Path, settings: Sequence[str]) -> Job:
    """One run."""
    return Job(
        program=method.program,
        words=(
            str(study.config),
            *method.settings,
            *point.overrides,
            f"training.seed={seed}",
            *settings,
        ),
        folder=home / slug(f"{method.name}, {point.name}, seed {seed}"),
    )


def choose(study: Study, methods: Sequence[Method], finals: Grid) -> dict[str, Point]:
    """Each method's best point."""
    scores = score_all(finals)
    return {method.name: ranked(study, method, scores)[0] for method in methods}


def score_all(grid: Grid) -> dict[tuple[str, str], float]:
    """Of every point."""
    return {key: score(curve(job)) for key, job in grid.items()}


def ranked(study: Study, method: Method, scores: Mapping[tuple[str, str], float]) -> list[Point]:
    """The method's points that have a score, the best first."""
    points = [point for point in study.grid(method) if (method.name, point.name) in scores]
    return sorted(points, key=lambda point: -scores[method.name, point.name])


def score(run: RunCurve) -> float:
    """Mean accuracy along the run's updates, between evaluations on straight lines: early counts, high, and staying."""
    pairs = list(zip(run.points, run.points[1:], strict=False))
    areas = [
        (after.accuracy + before.accuracy) / 2 * (after.at["updates"] - before.at["updates"]) for before, after in pairs
    ]
    whole = run.points[-1].at["updates"] - run.points[0].at["updates"]
    return sum(areas) / whole if whole else run.points[-1].accuracy


def curve(job: Job) -> RunCurve:
    """What came of a run."""
    name = job.folder.name
    return RunCurve(name=name, seed=int(name.rpartition("_")[2]), points=read_points(RunDir(job.folder).read_metrics()))
