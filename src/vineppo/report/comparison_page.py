"""What stands on the page of a comparison, from top to bottom, before it becomes HTML."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from vineppo.analysis.reaching import Measure, Reach, Target
from vineppo.analysis.run_comparison import COSTS, Axis, Estimate, Experiment, RunCurve
from vineppo.report.charts import WIDE, Chart, Curve, Side, curve_chart
from vineppo.report.page import Meter, make_meter, spent, wall_seconds, with_rest
from vineppo.report.panels import PHASES, TOKEN_KINDS
from vineppo.report.run_data import Run
from vineppo.report.text import NOTHING, TIMES, Unit, plural, quantity

INKS = 8
"""Colours and dashes that the style sheet has for experiments; more than so many share them."""

SIDES: dict[Axis, Side] = {
    "updates": Side(unit="count", label="Updates", reading="{} updates"),
    "seconds": Side(unit="seconds", label="Training time"),
    "tokens": Side(unit="count", label="Tokens decoded", reading="{} tokens"),
    "kl": Side(unit="number", label="KL to the starting policy, nats"),
}
CHOICES: dict[Axis, str] = {"updates": "Updates", "seconds": "Time", "tokens": "Tokens", "kl": "KL"}
NOTES: dict[Axis, str] = {
    "updates": "Optimizer steps.",
    "seconds": "Wall clock of training; evaluation is not counted.",
    "tokens": "For trajectories and rollouts; evaluation is not counted.",
    "kl": "How far from the starting policy: left and high is best.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """What was compared, and the runs it was made of."""

    experiments: tuple[Experiment, ...]
    axes: tuple[Axis, ...]
    """What every run measured."""
    targets: tuple[Target, ...]
    reaches: tuple[Reach, ...]
    runs: Mapping[str, Run]
    """By name."""
    grouped: Mapping[str, Sequence[str]]
    """Names of runs by experiment."""
    differing: tuple[tuple[str, tuple[str, ...]], ...]
    """(setting, its value in each experiment; empty where it has none)."""
    cautions: tuple[str, ...]

    @property
    def measure(self) -> Literal["reward", "accuracy"]:
        """What `eval/accuracy` is in these runs."""
        rewarded = any("eval/reward" in line for run in self.runs.values() for line in run.metrics)
        return "reward" if rewarded else "accuracy"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """An experiment in a few numbers."""

    name: str
    ink: str
    seeds: str
    start: str
    final: str
    final_interval: str
    peak: str
    peak_at: str
    kl: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """What it took one experiment to reach one target."""

    cost: str
    interval: str
    times: str
    reached: str
    """Empty where all seeds did."""
    own: bool
    """It is the experiment's own peak."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """Everything over one axis."""

    axis: Axis
    choice: str
    note: str
    chart: Chart
    targets: tuple[tuple[str, str], ...]
    """(name, accuracy); none for an axis along which nothing is reached."""
    rows: tuple[tuple[str, str, tuple[Cell, ...]], ...]
    """(experiment, ink, a cell a target)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class CostBar:
    """What one run of an experiment cost, on average."""

    name: str
    ink: str
    meter: Meter
    width: float
    """Percent of the dearest experiment's: bars of one kind share a scale."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRow:
    """One run."""

    name: str
    experiment: str
    ink: str
    seed: str
    state: str
    final: str
    made: str
    """Where and with what."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparisonPage:
    """The whole page."""

    title: str
    measure: str
    """Reward or accuracy."""
    task: str
    cautions: tuple[str, ...]
    rows: tuple[Row, ...]
    has_kl: bool
    panels: tuple[Panel, ...]
    costs: tuple[tuple[str, tuple[CostBar, ...]], ...]
    """(of what, a bar an experiment)"""
    differing: tuple[tuple[str, tuple[str, ...]], ...]
    runs: tuple[RunRow, ...]


def make_comparison_page(compared: Compared) -> ComparisonPage:
    """Everything the template shows."""
    unit = "number" if compared.measure == "reward" else accuracy_unit(compared.experiments)
    inks = {experiment.name: f"e{i % INKS}" for i, experiment in enumerate(compared.experiments)}
    tasks = {str(run.setting("task", "name") or "") for run in compared.runs.values()}
    return ComparisonPage(
        title=f"{plural(len(compared.experiments), 'experiment')}, {plural(len(compared.runs), 'run')}",
        measure=compared.measure,
        task=tasks.pop() if len(tasks) == 1 else "",
        cautions=compared.cautions,
        rows=tuple(_row(experiment, inks[experiment.name], unit) for experiment in compared.experiments),
        has_kl="kl" in compared.axes,
        panels=tuple(_panel(compared, axis, inks, unit) for axis in compared.axes),
        costs=_costs({name: [compared.runs[run] for run in own] for name, own in compared.grouped.items()}, inks),
        differing=compared.differing,
        runs=tuple(
            _run_row(curve, compared.runs[curve.name], experiment.name, inks[experiment.name], unit)
            for experiment in compared.experiments
            for curve in experiment.runs
        ),
    )


def accuracy_unit(experiments: Sequence[Experiment]) -> Unit:
    """Percent where every accuracy lies in 0..1."""
    scores = [point.accuracy for experiment in experiments for run in experiment.runs for point in run.points]
    return "share" if all(0 <= score <= 1 for score in scores) else "number"


# --- table -------------------------------------------------------------------------------------------------------


def _row(experiment: Experiment, ink: str, unit: Unit) -> Row:
    first, last, peak = experiment.curve[0], experiment.curve[-1], experiment.peak
    return Row(
        name=experiment.name,
        ink=ink,
        seeds=plural(len(experiment.runs), "seed"),
        start=quantity(first.accuracy.mean, unit) if first.iteration == 0 else NOTHING,
        final=with_spread(last.accuracy, unit),
        final_interval=interval_text(last.accuracy.low, last.accuracy.high, unit),
        peak=quantity(peak.accuracy.mean, unit),
        peak_at=f"iteration {peak.iteration}",
        kl=quantity(last.at["kl"], "number") if "kl" in last.at else NOTHING,
    )


def with_spread(estimate: Estimate, unit: Unit) -> str:
    """62.0 % ± 1.3 %."""
    spread = "" if estimate.spread is None else f" ± {quantity(estimate.spread, unit)}"
    return quantity(estimate.mean, unit) + spread


def interval_text(low: float | None, high: float | None, unit: Unit) -> str:
    """60.1 % to 63.5 %; empty for none. Infinity is never."""
    if low is None or high is None:
        return ""
    ends = ["never" if math.isinf(end) else quantity(end, unit) for end in (low, high)]
    return f"{ends[0]} to {ends[1]}"


# --- panels ------------------------------------------------------------------------------------------------------


def _panel(compared: Compared, axis: Axis, inks: Mapping[str, str], unit: Unit) -> Panel:
    curves = [curve for each in compared.experiments for curve in _curves(each, axis, inks[each.name])]
    blank = Chart(title=f"Test {compared.measure}", note=NOTES[axis], sizes=WIDE)
    reached = axis in COSTS and len(compared.experiments) > 1
    cells = {(reach.experiment, reach.target): reach for reach in compared.reaches if reach.axis == axis}
    return Panel(
        axis=axis,
        choice=CHOICES[axis],
        note=NOTES[axis],
        chart=curve_chart(blank, curves, SIDES[axis], Side(unit=unit, from_zero=False)),
        targets=tuple((target.name, quantity(target.accuracy, unit)) for target in compared.targets) if reached else (),
        rows=tuple(
            (each.name, inks[each.name], tuple(_cell(cells[each.name, target]) for target in compared.targets))
            for each in compared.experiments
            if reached
        ),
    )


def _curves(experiment: Experiment, axis: Axis, ink: str) -> list[Curve]:
    """The mean over the seeds, and each of them."""
    mean = Curve(
        name=experiment.name,
        ink=ink,
        points=[(point.at[axis], point.accuracy.mean) for point in experiment.curve],
        # over KL a curve may turn back, and a band around it would cover itself
        band=[
            (point.at[axis], point.accuracy.low, point.accuracy.high)
            for point in experiment.curve
            if point.accuracy.low is not None and point.accuracy.high is not None and axis != "kl"
        ],
    )
    seeds = [[(point.at[axis], point.accuracy) for point in run.points] for run in experiment.runs]
    thin = [Curve(name=experiment.name, ink=ink, points=points, faint=True, aside=True) for points in seeds]
    return [*(thin if len(thin) > 1 else []), mean]


def _cell(reach: Reach) -> Cell:
    unit = SIDES[reach.axis].unit
    seeds = "" if reach.reached == reach.seeds else f"{reach.reached} of {plural(reach.seeds, 'seed')} there"
    return Cell(
        cost="never" if reach.cost is None else quantity(_rounded(reach.cost.value, reach.axis), unit),
        interval="" if reach.cost is None else interval_text(reach.cost.low, reach.cost.high, unit),
        times="" if reach.times is None else times_text(reach.times),
        reached=seeds,
        own=reach.experiment == reach.target.owner and reach.target.share == 1.0,
    )


def _rounded(cost: float, axis: Axis) -> float:
    return float(round(cost)) if axis != "seconds" else cost


def times_text(times: Measure) -> str:
    """2.1x less (1.4 to 3.0), 1.5x more."""
    less = times.value >= 1
    factor = times.value if less else 1 / times.value
    text = f"{factor:.2g}{TIMES} {'less' if less else 'more'}"
    if times.low is None or times.high is None:
        return text
    ends = (times.low, times.high) if less else (_inverse(times.high), _inverse(times.low))
    return f"{text} ({' to '.join('∞' if math.isinf(end) else f'{end:.2g}' for end in ends)})"


def _inverse(value: float) -> float:
    return math.inf if value == 0 else 1 / value


# --- cost and origin ---------------------------------------------------------------------------------------------


def _costs(runs: Mapping[str, Sequence[Run]], inks: Mapping[str, str]) -> tuple[tuple[str, tuple[CostBar, ...]], ...]:
    tokens = {name: _mean([spent(run, "tokens", TOKEN_KINDS) for run in own]) for name, own in runs.items()}
    seconds = {name: _mean([_seconds(run) for run in own]) for name, own in runs.items()}
    return (
        ("Tokens decoded", _bars(tokens, "count", inks)),
        ("Time", _bars(seconds, "seconds", inks)),
    )


def _seconds(run: Run) -> dict[str, float]:
    phases = spent(run, "time", PHASES)
    return with_rest(phases, wall_seconds(run, phases))


def _bars(amounts: Mapping[str, Mapping[str, float]], unit: Unit, inks: Mapping[str, str]) -> tuple[CostBar, ...]:
    totals = {name: sum(own.values()) for name, own in amounts.items()}
    dearest = max(totals.values())
    return tuple(
        CostBar(
            name=name,
            ink=inks[name],
            meter=make_meter("", own, unit, totals[name]),
            width=round(100 * totals[name] / dearest, 1) if dearest else 0.0,
        )
        for name, own in amounts.items()
    )


def _mean(amounts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    kinds = dict.fromkeys(kind for own in amounts for kind in own)
    return {kind: fmean(own.get(kind, 0.0) for own in amounts) for kind in kinds}


def _run_row(curve: RunCurve, run: Run, experiment: str, ink: str, unit: Unit) -> RunRow:
    reached, planned = int(run.metrics[-1]["iteration"]), run.setting("training", "iterations")
    state = plural(reached, "iteration") if run.summary else f"{reached} of {planned or '?'} iterations so far"
    made = [run.provenance.get("started", ""), run.provenance.get("git_revision", "")]
    return RunRow(
        name=curve.name,
        experiment=experiment,
        ink=ink,
        seed=NOTHING if curve.seed is None else str(curve.seed),
        state=state,
        final=quantity(curve.points[-1].accuracy, unit),
        made=" ".join(part for part in made if part),
    )
