"""Runs of several methods with the same share of the time, and their accuracy over seconds."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gpu_run import train_one
from gpu_run.launch import FORKS, GRACE_SECONDS, do_logged
from gpu_run.results import Cell, Sheet
from vineppo.analysis.run_comparison import Point, read_points
from vineppo.errors import UserError
from vineppo.run_dir import RunDir

SHOWN = 12
"""Points of a run in the table, evenly chosen; the last always."""
FOREVER, FEW = 100_000, 2
"""Iterations: the time ends a run, not their number; on a CPU the other way round."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """What is compared."""

    name: str
    words: tuple[str, ...]


def compare(
    methods: Sequence[Method], words: Sequence[str], *, title: str, work: Path, sheet: Sheet, seconds: float
) -> None:
    """One after the other, whatever is left shared by those to come; the table is renewed after each."""
    deadline, curves = time.monotonic() + seconds, {}
    for place, method in enumerate(methods):
        own = (deadline - time.monotonic()) / (len(methods) - place)
        folder = work / method.name.replace(" ", "_")
        outcome = train_for([*words, *method.words, f"run.dir={folder}"], folder, seconds=own)
        curves[method.name] = points_of(folder)
        put_curve(sheet, f"{title}: accuracy over seconds", method.name, curves[method.name])
        put_summary(sheet, f"{title}: methods", curves, {**dict.fromkeys(curves), method.name: outcome})


def train_for(words: Sequence[str], folder: Path, *, seconds: float) -> str:
    """Train until the time is up; how it ended. Every line of its metrics is there whenever it is killed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = folder.with_suffix(".log")
    process = FORKS.Process(target=do_logged, args=(partial(train_one.train, tuple(words)), log))
    process.start()
    process.join(seconds)
    late = process.is_alive()
    for end in (process.terminate, process.kill):
        if process.is_alive():
            end()
            process.join(GRACE_SECONDS)
    if late:
        return "time was up"
    if process.exitcode == 0:
        return "finished"
    lines = [line.strip() for line in log.read_text().splitlines() if line.strip()] if log.exists() else []
    return lines[-1][:200] if lines else f"failed: exit code {process.exitcode}"


def points_of(folder: Path) -> tuple[Point, ...]:
    """Of a run that may have been killed before its first."""
    try:
        return read_points(RunDir(folder).read_metrics())
    except (FileNotFoundError, UserError):
        return ()


def put_curve(sheet: Sheet, title: str, name: str, points: Sequence[Point]) -> None:
    """A row a point."""
    every = max(1, -(-len(points) // SHOWN))
    for point in [*points[:-1:every], *points[-1:]]:
        row = {
            "method": name,
            "seconds": point.at.get("seconds", 0.0),
            "iteration": point.iteration,
            "accuracy": point.accuracy,
        }
        sheet.put(title, row, keys=2)


def put_summary(
    sheet: Sheet, title: str, curves: dict[str, tuple[Point, ...]], outcomes: dict[str, str | None]
) -> None:
    """A row a method; the outcome of one that was there before stays."""
    known = {str(row["method"]): row.get("outcome") for row in sheet.rows(title)}
    goal = goal_of(curves.get("ppo", ()))
    for name, points in curves.items():
        outcome = outcomes.get(name) or known.get(name)
        sheet.put(title, {"method": name, **summary(points, goal), "outcome": outcome})


def goal_of(points: Sequence[Point]) -> float | None:
    """The best accuracy of a run; None of one that never came above its start, which is reached before it begins."""
    best = max((point.accuracy for point in points), default=0.0)
    return best if points and best > points[0].accuracy else None


def summary(points: Sequence[Point], goal: float | None) -> dict[str, Cell]:
    """Of one run. goal: PPO's best accuracy."""
    if not points:
        return {"start": None, "best": None, "last": None, "iterations": None, "seconds": None, "to PPO's best": None}
    best = max(point.accuracy for point in points)
    reached = [point.at.get("seconds", 0.0) for point in points if goal is not None and point.accuracy >= goal]
    return {
        "start": points[0].accuracy,
        "best": best,
        "last": points[-1].accuracy,
        "iterations": points[-1].iteration,
        "seconds": points[-1].at.get("seconds", 0.0),
        "to PPO's best": reached[0] if reached else None,
    }
