"""The comparison as CSV, for other programs. Empty: not measured. inf: some resamples never reach the target."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from vineppo.analysis.reaching import Measure, Reach
from vineppo.analysis.run_comparison import AXES, Experiment, MeanPoint, Point, RunCurve
from vineppo.report.comparison_page import Compared

Row = Mapping[str, str | int | float | None]


def write_tables(compared: Compared, out: Path) -> None:
    """Three files: accuracies of experiments, what it took to reach targets, and every evaluation of every run."""
    experiments = compared.experiments
    _write(out / "experiments.csv", [experiment_row(e, word, p) for e in experiments for word, p in ends(e)])
    _write(out / "reaches.csv", [reach_row(reach) for reach in compared.reaches])
    _write(
        out / "points.csv",
        [point_row(each, run, point) for each in experiments for run in each.runs for point in run.points],
    )


def ends(experiment: Experiment) -> list[tuple[str, MeanPoint]]:
    """The points worth a line."""
    return [("first", experiment.curve[0]), ("last", experiment.curve[-1]), ("peak", experiment.peak)]


def experiment_row(experiment: Experiment, word: str, point: MeanPoint) -> Row:
    """A mean over seeds."""
    own = point.accuracy
    return {
        "experiment": experiment.name,
        "seeds": len(experiment.runs),
        "point": word,
        "iteration": point.iteration,
        "accuracy": own.mean,
        "spread": own.spread,
        "low": own.low,
        "high": own.high,
        **{axis: point.at.get(axis) for axis in AXES},
    }


def reach_row(reach: Reach) -> Row:
    """One experiment, one target, one axis."""
    return {
        "experiment": reach.experiment,
        "target": reach.target.name,
        "accuracy": reach.target.accuracy,
        "axis": reach.axis,
        **_measure("cost", reach.cost),
        **_measure("times_less", reach.times),
        "seeds_there": reach.reached,
        "seeds": reach.seeds,
    }


def point_row(experiment: Experiment, run: RunCurve, point: Point) -> Row:
    """One evaluation."""
    return {
        "experiment": experiment.name,
        "run": run.name,
        "seed": run.seed,
        "iteration": point.iteration,
        "accuracy": point.accuracy,
        **{axis: point.at.get(axis) for axis in AXES},
    }


def _measure(name: str, measure: Measure | None) -> Row:
    value, low, high = (None, None, None) if measure is None else (measure.value, measure.low, measure.high)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _write(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)
