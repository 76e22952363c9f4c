"""The runs of a study: the grid, on seeds and questions of its own, then the best of it on test seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from equal_tuning.jobs import Job
from equal_tuning.methods import Method, Point, Study
from vineppo.analysis.run_comparison import RunCurve, read_points
from vineppo.run_dir import RunDir


def grid_jobs(study: Study, methods: Sequence[Method], home: Path) -> dict[tuple[str, str], list[Job]]:
    """By method and point: a run for each tuning seed."""
    return {
        (method.name, point.name): [
            job(
                study,
                method,
                point,
                seed,
                home / "grid",
                (*study.length(method, study.tuning_share), *study.tuning_settings),
            )
            for seed in study.tuning_seeds
        ]
        for method in methods
        for point in study.grid(method)
    }


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
        folder=home / f"{method.name}, {point.name}, seed {seed}".replace(" = ", "").replace(" ", "_").replace(",", ""),
    )


def choose(
    study: Study, methods: Sequence[Method], jobs: Mapping[tuple[str, str], Sequence[Job]]
) -> tuple[dict[str, Point], dict[tuple[str, str], float]]:
    """Each method's best point, and the score of every point: its runs' mean accuracy along the way."""
    scores = {key: fmean(score(curve(each)) for each in own) for key, own in jobs.items()}
    best = {
        method.name: max(study.grid(method), key=lambda point: scores[method.name, point.name]) for method in methods
    }
    return best, scores


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
