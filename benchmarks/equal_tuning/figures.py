"""The curves: accuracy against updates, seconds and decoded tokens, mean and spread."""

from collections.abc import Sequence
from pathlib import Path

from vineppo.analysis.run_comparison import Axis, Experiment

LABELS: dict[Axis, str] = {"updates": "updates", "seconds": "seconds of training", "tokens": "decoded tokens"}
INKS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""Okabe and Ito's, which colour-blind people tell apart."""
LINES = ("-", "--", ":")
"""One turn of inks after the other."""


def draw_curves(experiments: Sequence[Experiment], path: Path) -> None:
    """A panel for each axis."""
    plt = pyplot()
    figure, panels = plt.subplots(1, len(LABELS), figsize=(15, 4), sharey=True)
    for panel, (axis, label) in zip(panels, LABELS.items(), strict=True):
        for number, experiment in enumerate(experiments):
            ink, line = INKS[number % len(INKS)], LINES[number // len(INKS) % len(LINES)]
            at = [point.at[axis] for point in experiment.curve]
            mean = [100 * point.accuracy.mean for point in experiment.curve]
            spread = [100 * (point.accuracy.spread or 0.0) for point in experiment.curve]
            panel.plot(at, mean, line, color=ink, label=experiment.name)
            low, high = ([m + sign * s for m, s in zip(mean, spread, strict=True)] for sign in (-1, 1))
            panel.fill_between(at, low, high, color=ink, alpha=0.15, linewidth=0)
        panel.set(xlabel=label, xlim=(0, None))
        panel.grid(alpha=0.3)
        panel.ticklabel_format(axis="x", style="sci", scilimits=(0, 4))
    panels[0].set(ylabel="held-out accuracy, %", ylim=(0, 100))
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=8)
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
