"""The results as Markdown: pure, from mean curves over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from equal_tuning.plan import Tuning, score
from vineppo.analysis.reaching import ALMOST, Target, make_reach
from vineppo.analysis.run_comparison import Axis, Estimate, Experiment, estimate

MIB = 2**20
PEAKS = {"grpo": "GRPO's peak", "rloo": "RLOO's peak", "ppo": "PPO's peak"}
"""Marks, by whose they are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One method."""

    experiment: Experiment
    point: str
    """What was chosen."""
    iterations: int
    decoded: float
    """Tokens an iteration, evaluation left out."""
    trained: float | None
    """Tokens an iteration that go through the update; None where it is not told."""
    peak_bytes: float
    is_bound: bool = False
    """Whether it is told what nobody knows, so that none is measured by it."""


def marks(rows: Sequence[Row]) -> dict[str, tuple[Target, Experiment]]:
    """The peaks of those to be beaten, and nine tenths of the best."""
    experiments = [row.experiment for row in rows]
    best = max((row.experiment for row in rows if not row.is_bound), key=lambda each: each.peak.accuracy.mean)
    almost = ALMOST * best.peak.accuracy.mean
    by_name = {each.name: each for each in experiments}
    peaks = {mark: by_name[owner] for owner, mark in PEAKS.items() if owner in by_name}
    return {
        **{
            mark: (Target(name="peak", owner=own.name, share=1.0, accuracy=own.peak.accuracy.mean), own)
            for mark, own in peaks.items()
        },
        "90 % of the best": (Target(name="almost", owner=best.name, share=ALMOST, accuracy=almost), best),
    }


def overview(rows: Sequence[Row]) -> list[list[str]]:
    """Accuracy and cost, the best first."""
    targets = marks(rows)
    level = next(iter(targets.values()))[0].accuracy
    header = ["method", "chosen: rate, questions x trajectories", "seeds", "decoded", "trained", "seconds", "start"]
    header += ["final", "mean along the run", "memory", f"KL at {level:.0%}"]
    body = [
        [
            *(f"**{row.experiment.name}**", row.point, str(len(row.experiment.runs))),
            *(*_costs(row), *_accuracies(row.experiment), _memory(row), _kl(row, level)),
        ]
        for row in sorted(rows, key=lambda row: -along(row.experiment).mean)
    ]
    return [header, *body]


def reaching(rows: Sequence[Row], axis: Axis) -> list[list[str]]:
    """Along one axis: what each method took to each mark, its interval, how many times less than the mark's owner."""
    experiments = {row.experiment.name: row.experiment for row in rows}
    targets = marks(rows)
    header = ["method", *(f"{name} ({target.accuracy:.1%})" for name, (target, _) in targets.items())]
    table = [header]
    for experiment in experiments.values():
        cells = [_cell(experiment, owner, target, axis) for target, owner in targets.values()]
        table.append([experiment.name, *cells])
    return table


def _cell(experiment: Experiment, owner: Experiment, target: Target, axis: Axis) -> str:
    reach = make_reach(experiment, owner, target, axis)
    if reach.cost is None:
        return f"never ({reach.reached} of {reach.seeds} seeds)"
    text = quantity(reach.cost.value)
    if reach.cost.low is not None and reach.cost.high is not None:
        text += f" [{quantity(reach.cost.low)}, {quantity(reach.cost.high)}]"
    theirs = None if owner is experiment else make_reach(owner, owner, target, axis).cost
    if theirs is not None and reach.cost.value > 0:
        text += f", **{theirs.value / reach.cost.value:.1f}x**"
    return text


def kl_at(experiment: Experiment, accuracy: float) -> float | None:
    """KL to the starting policy where the mean curve first has this accuracy; None where it never has, or has no KL."""
    if any("kl" not in point.at for point in experiment.curve):
        return None
    for before, after in pairwise(experiment.curve):
        low, high = before.accuracy.mean, after.accuracy.mean
        if high >= accuracy > low:
            share = (accuracy - low) / (high - low)
            return before.at["kl"] + share * (after.at["kl"] - before.at["kl"])
    return None


def quantity(number: float) -> str:
    """Three digits that matter."""
    if number == float("inf"):
        return "never"
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if number >= 10 * size or (letter == "M" and number >= size):
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}" if number < 1000 else f"{number:,.0f}"


def markdown(table: Sequence[Sequence[str]]) -> str:
    """As a Markdown table; the first row is its head."""
    head, *body = table
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def grid_table(tuning: Mapping[str, Tuning]) -> list[list[str]]:
    """The score of every point, and in the final of those that came to it; the chosen ones bold."""
    table = [["method", "mean accuracy along the part of a run, in the final along a whole one"]]
    for method, own in tuning.items():
        cells = []
        for point, reached in own.trials.items():
            last = f", {own.finals[point]:.1%}" if point in own.finals else ""
            cell = f"{point.name}: {reached:.1%}{last}"
            cells.append(f"**{cell}**" if point == own.best else cell)
        table.append([method, "; ".join(cells)])
    return table


def along(experiment: Experiment) -> Estimate:
    """Mean accuracy along the runs' updates, with its interval over seeds."""
    return estimate([score(run) for run in experiment.runs])


def _costs(row: Row) -> list[str]:
    seconds = row.experiment.curve[-1].at["seconds"] / row.iterations
    trained = "-" if row.trained is None else quantity(row.trained)
    return [quantity(row.decoded), trained, f"{seconds:.2f}"]


def _accuracies(experiment: Experiment) -> list[str]:
    own = along(experiment)
    mean = f"{own.mean:.1%}" + ("" if own.low is None or own.high is None else f" [{own.low:.1%}, {own.high:.1%}]")
    return [_accuracy(experiment.curve[0]), _accuracy(experiment.curve[-1]), mean]


def _accuracy(point) -> str:
    own = point.accuracy
    return f"{own.mean:.1%}" + ("" if own.spread is None else f" ± {100 * own.spread:.1f}")


def _memory(row: Row) -> str:
    return f"{row.peak_bytes / MIB:,.0f} MiB"


def _kl(row: Row, level: float) -> str:
    kl = kl_at(row.experiment, level)
    return "-" if kl is None else f"{kl:.2f}"
