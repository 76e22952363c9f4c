"""Runs side by side: accuracy against what it cost. Pure.

    point        an evaluation: accuracy, and updates, seconds, tokens and KL so far
    experiment   the runs of one configuration, up to `training.seed`
    mean curve   of an experiment: the mean over its seeds, at the evaluations that all of them have
    peak         the highest point of the mean curve
    interval     percentile bootstrap over seeds, 95 %; none for a single seed

Seconds and tokens are those of training: what evaluation took is not counted, since how often to look is no part of a
method. What it takes to get as far as another experiment is in `reaching`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal, get_args

import numpy as np

from vineppo.errors import UserError
from vineppo.metrics import Metrics
from vineppo.rng import derive_seed

Axis = Literal["updates", "seconds", "tokens", "kl"]
AXES: tuple[Axis, ...] = get_args(Axis)
COSTS: tuple[Axis, ...] = ("updates", "seconds", "tokens")
"""Axes that only grow, so that something can be reached along them."""

RESAMPLES = 4000


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One evaluation."""

    iteration: int
    accuracy: float
    at: Mapping[Axis, float]
    """Only the axes that were measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunCurve:
    """The evaluations of one run, in order; at least one."""

    name: str
    seed: int | None
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A mean over seeds."""

    mean: float
    spread: float | None
    """Sample standard deviation; None for a single seed."""
    low: float | None
    """Of the mean's 95 % interval; None for a single seed."""
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanPoint:
    """A point of a mean curve."""

    iteration: int
    accuracy: Estimate
    at: Mapping[Axis, float]
    """Means over seeds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """Runs that differ only in their seed."""

    name: str
    runs: tuple[RunCurve, ...]
    curve: tuple[MeanPoint, ...]

    @property
    def peak(self) -> MeanPoint:
        """The earliest of the highest points."""
        return max(self.curve, key=lambda point: (point.accuracy.mean, -point.iteration))


def read_points(lines: Sequence[Metrics]) -> tuple[Point, ...]:
    """The evaluations among the lines of metrics.jsonl."""
    points, seconds, tokens = [], 0.0, 0.0
    has_kl = any("kl" in line for line in lines)
    for line in lines:
        # The first evaluation comes before the clock and the counter start.
        if line["iteration"] > 0:
            seconds += line.get("time/evaluate", 0.0)
            tokens += line.get("tokens/evaluation", 0.0)
        if "eval/accuracy" not in line:
            continue
        at: dict[Axis, float] = {}
        if "updates" in line:
            at["updates"] = line["updates"]
        if "time/total" in line:
            at["seconds"] = max(0.0, line["time/total"] - seconds)
        if "num_tokens" in line:
            at["tokens"] = max(0.0, line["num_tokens"] - tokens)
        if "kl" in line:
            at["kl"] = line["kl"]
        elif has_kl and line["iteration"] == 0:
            at["kl"] = 0.0  # the start is no distance from itself
        points.append(Point(iteration=int(line["iteration"]), accuracy=line["eval/accuracy"], at=at))
    return tuple(points)


def make_experiment(name: str, runs: Sequence[RunCurve]) -> Experiment:
    """The mean curve over seeds. Raises UserError where the runs have no evaluation in common."""
    by_iteration = [{point.iteration: point for point in run.points} for run in runs]
    shared = sorted(set.intersection(*(set(own) for own in by_iteration)))
    if not shared:
        raise UserError(
            f"runs {', '.join(run.name for run in runs)} have one configuration but no evaluation in common; "
            "let them run on, or leave one out"
        )
    columns = [[own[iteration] for own in by_iteration] for iteration in shared]
    return Experiment(name=name, runs=tuple(runs), curve=tuple(_mean_point(column) for column in columns))


def shared_axes(experiments: Sequence[Experiment]) -> tuple[Axis, ...]:
    """What every run measured at every evaluation."""
    points = [point for experiment in experiments for run in experiment.runs for point in run.points]
    return tuple(axis for axis in AXES if all(axis in point.at for point in points))


def estimate(values: Sequence[float]) -> Estimate:
    """Mean, spread and interval of at least one value."""
    if len(values) == 1:
        return Estimate(mean=values[0], spread=None, low=None, high=None)
    low, high = np.percentile(np.asarray(values)[resamples(len(values), "mean")].mean(axis=1), [2.5, 97.5])
    return Estimate(mean=fmean(values), spread=stdev(values), low=float(low), high=float(high))


def resamples(count: int, place: str) -> np.ndarray:
    """[RESAMPLES, count] seeds drawn with replacement, the same ones for the same place."""
    rng = np.random.default_rng(derive_seed("bootstrap over seeds", place))
    return rng.integers(count, size=(RESAMPLES, count))


def _mean_point(points: Sequence[Point]) -> MeanPoint:
    axes: list[Axis] = [axis for axis in AXES if all(axis in point.at for point in points)]
    return MeanPoint(
        iteration=points[0].iteration,
        accuracy=estimate([point.accuracy for point in points]),
        at={axis: fmean(point.at[axis] for point in points) for axis in axes},
    )
