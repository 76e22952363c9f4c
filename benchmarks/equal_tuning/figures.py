"""The curves: accuracy against updates, seconds and decoded tokens, mean and spread; every point of the grid."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from vineppo.analysis.run_comparison import Axis, Experiment, RunCurve

LABELS: dict[Axis, str] = {"updates": "updates", "seconds": "seconds of training", "tokens": "decoded tokens"}
INKS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999", "#7f3f00")
"""Okabe and Ito's, which colour-blind people tell apart, and a brown."""


def draw_curves(experiments: Sequence[Experiment], path: Path) -> None:
    """A panel for each axis."""
    plt = pyplot()
    figure, panels = plt.subplots(1, len(LABELS), figsize=(13, 4), sharey=True)
    for panel, (axis, label) in zip(panels, LABELS.items(), strict=True):
        for experiment, ink in zip(experiments, INKS, strict=False):
            at = [point.at[axis] for point in experiment.curve]
            mean = [100 * point.accuracy.mean for point in experiment.curve]
            spread = [100 * (point.accuracy.spread or 0.0) for point in experiment.curve]
            panel.plot(at, mean, color=ink, label=experiment.name)
            low, high = ([m + sign * s for m, s in zip(mean, spread, strict=True)] for sign in (-1, 1))
            panel.fill_between(at, low, high, color=ink, alpha=0.15, linewidth=0)
        panel.set(xlabel=label, xlim=(0, None))
        panel.grid(alpha=0.3)
    panels[0].set(ylabel="held-out accuracy, %", ylim=(0, 100))
    panels[-1].legend(loc="upper right", fontsize=8, ncols=2)
    save(figure, path)


def draw_grid(curves: Mapping[tuple[str, str], Sequence[RunCurve]], path: Path) -> None:
    """A panel for each method, a curve for each point of its grid."""
    plt = pyplot()
    methods = list(dict.fromkeys(method for method, _ in curves))
    figure, panels = plt.subplots(2, -(-len(methods) // 2), figsize=(14, 6), sharey=True, squeeze=False)
    for panel in panels.flat[len(methods) :]:
        panel.axis("off")
    for panel, method in zip(panels.flat, methods, strict=False):
        own = {point: runs for (name, point), runs in curves.items() if name == method}
        for ink, (point, runs) in zip(INKS, own.items(), strict=False):
            for number, run in enumerate(runs):
                at, accuracy = [p.at["updates"] for p in run.points], [100 * p.accuracy for p in run.points]
                panel.plot(at, accuracy, color=ink, label=None if number else point)
        panel.set(title=method, xlabel="updates", ylim=(0, 100), xlim=(0, None))
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7)
    save(figure, path)


def pyplot():
    """Without a screen."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt


def save(figure, path: Path) -> None:
    """Small enough for a repository."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
