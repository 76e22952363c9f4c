"""What it takes an experiment to get as far as another one. Pure.

    target   the peak of an experiment's mean curve, or nine tenths of the best peak
    cost     where an experiment's mean curve first is at the target, on the straight lines between evaluations
    times    the owner's own cost over this cost: 2 says that half is enough

The intervals are percentile bootstraps over seeds, 95 %: seeds of both experiments are drawn with replacement, and the
target, both mean curves and both costs are made anew from the seeds drawn. A draw that never reaches the target costs
infinity. A single seed has no interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vineppo.analysis.run_comparison import COSTS, Axis, Experiment, resamples

ALMOST = 0.9
"""Share of the best that is a target of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """An accuracy to reach: `share` of the peak of `owner`."""

    name: str
    owner: str
    share: float
    accuracy: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """A number and the ends of its interval, infinite where some draws never reach the target."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """What it took an experiment to reach a target."""

    experiment: str
    target: Target
    axis: Axis
    reached: int
    """Seeds whose own curve is ever there."""
    seeds: int
    cost: Measure | None
    """None where the mean curve never is."""
    times: Measure | None
    """None also for the owner itself, and where nothing was needed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draws:
    """Mean curves: the real one first, then those of the seeds drawn. Without a second seed there is only the first."""

    accuracy: np.ndarray
    """[R, T]"""
    cost: np.ndarray
    """[R, T]"""


def make_targets(experiments: Sequence[Experiment]) -> tuple[Target, ...]:
    """Nine tenths of the best, then every peak, the highest first. A peak where training began took nothing."""
    learned = [each for each in experiments if each.peak.iteration > each.curve[0].iteration]
    ranked = sorted(learned, key=lambda each: -each.peak.accuracy.mean)
    if not ranked:
        return ()
    best = ranked[0]
    peaks = [
        Target(name=f"peak of {each.name}", owner=each.name, share=1.0, accuracy=each.peak.accuracy.mean)
        for each in ranked
    ]
    if best.peak.accuracy.mean <= 0:  # of a best below 0, nine tenths are more
        return tuple(peaks)
    almost = ALMOST * best.peak.accuracy.mean
    return (Target(name=f"{100 * ALMOST:.0f} % of the best", owner=best.name, share=ALMOST, accuracy=almost), *peaks)


def make_reaches(experiments: Sequence[Experiment], axes: Sequence[Axis]) -> tuple[Reach, ...]:
    """Every experiment, every target, every axis along which something can be reached."""
    by_name = {experiment.name: experiment for experiment in experiments}
    return tuple(
        make_reach(experiment, by_name[target.owner], target, axis)
        for target in make_targets(experiments)
        for axis in COSTS
        if axis in axes
        for experiment in experiments
    )


def make_reach(experiment: Experiment, owner: Experiment, target: Target, axis: Axis) -> Reach:
    """One of them."""
    own, goal = draw(experiment, axis), draw(owner, axis)
    count = min(len(own.accuracy), len(goal.accuracy))
    accuracies = target.share * goal.accuracy[:count].max(axis=1)
    costs = crossing(own.accuracy[:count], own.cost[:count], accuracies)
    owners = crossing(goal.accuracy[:count], goal.cost[:count], accuracies)
    has_times = experiment is not owner and np.isfinite(costs[0]) and costs[0] > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        times = owners / costs
    seeds = _curves(experiment, axis)
    there = crossing(seeds.accuracy, seeds.cost, np.full(len(seeds.accuracy), accuracies[0]))
    return Reach(
        experiment=experiment.name,
        target=target,
        axis=axis,
        reached=int(np.isfinite(there).sum()),
        seeds=len(there),
        cost=_measure(costs) if np.isfinite(costs[0]) else None,
        times=_measure(times) if has_times else None,
    )


def crossing(accuracy: np.ndarray, cost: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[R] cost at which each curve of [R, T] first is at its target; infinity where it never is."""
    there = accuracy >= target[:, None]
    rows, after = np.arange(len(accuracy)), there.argmax(axis=1)
    before = np.maximum(after - 1, 0)
    rise = accuracy[rows, after] - accuracy[rows, before]
    gap = target - accuracy[rows, before]
    share = np.divide(gap, rise, out=np.ones_like(rise), where=rise > 0)
    costs = cost[rows, before] + share * (cost[rows, after] - cost[rows, before])
    return np.where(there.any(axis=1), costs, np.inf)


def draw(experiment: Experiment, axis: Axis) -> Draws:
    """The mean curve, and those of seeds drawn with replacement."""
    seeds = _curves(experiment, axis)
    chosen = [np.arange(len(experiment.runs))[None]]
    if len(experiment.runs) > 1:
        chosen.append(resamples(len(experiment.runs), experiment.name))
    return Draws(
        accuracy=np.concatenate([seeds.accuracy[rows].mean(axis=1) for rows in chosen]),
        cost=np.concatenate([seeds.cost[rows].mean(axis=1) for rows in chosen]),
    )


def _curves(experiment: Experiment, axis: Axis) -> Draws:
    """[S, T] each seed's own curve, at the evaluations that all have."""
    shared = {point.iteration for point in experiment.curve}
    rows = [[point for point in run.points if point.iteration in shared] for run in experiment.runs]
    return Draws(
        accuracy=np.array([[point.accuracy for point in row] for row in rows]),
        cost=np.array([[point.at[axis] for point in row] for row in rows]),
    )


def _measure(draws: np.ndarray) -> Measure:
    """The first is the real one. Draws of infinity over infinity say nothing and are left out."""
    known = draws[1:][~np.isnan(draws[1:])]
    if not len(known):
        return Measure(value=float(draws[0]), low=None, high=None)
    # between a number and infinity there is no middle
    low, high = np.percentile(known, [2.5, 97.5], method="nearest")
    return Measure(value=float(draws[0]), low=float(low), high=float(high))
