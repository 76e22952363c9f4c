"""The curves: accuracy against decoded tokens and seconds, mean and spread, in panels of what belongs together."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

from vineppo.analysis.run_comparison import Axis, Experiment

LABELS: dict[Axis, str] = {"tokens": "decoded tokens", "seconds": "seconds of training"}
PANELS: Mapping[str, Sequence[str]] = {
    "the outcome alone": ("rloo", "Dr. GRPO", "TRL grpo"),
    "tree credit": ("tree", "tree, shuffled", "tree, twice", "grpo, twice", "rloo, twice"),
    "measured values": ("coupled", "coupled, shuffled", "vine", "vine, shuffled"),
    "a value network": ("ppo", "ppo, critic pretrained", "ppo, shuffled"),
    "whole responses; told what is wrong": ("rest_em", "dpo_positive", "capo, perfect critic", "int, perfect adviser"),
}
"""What is drawn together; the rest has a panel of its own."""
EVERYWHERE, REST = "grpo", "siblings"
INKS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
"""Okabe and Ito's, which colour-blind people tell apart."""
COLUMNS = 3


def draw_curves(experiments: Sequence[Experiment], path: Path) -> None:
    """A block of panels for each axis, GRPO in all of them."""
    groups = grouped(experiments)
    rows = -(-len(groups) // COLUMNS)
    plt = pyplot()
    figure, panels = plt.subplots(
        rows * len(LABELS), COLUMNS, figsize=(4.2 * COLUMNS, 2.9 * rows * len(LABELS)), sharey=True, squeeze=False
    )
    for block, (axis, label) in enumerate(LABELS.items()):
        own = panels[block * rows : (block + 1) * rows].flat
        most = max(experiment.curve[-1].at[axis] for experiment in experiments)
        for panel in own[len(groups) :]:
            panel.set_visible(False)
        for panel, (title, members) in zip(own, groups.items(), strict=False):
            for experiment, ink in zip(members, cycle(INKS), strict=False):
                grey = experiment.name == EVERYWHERE
                _draw(panel, experiment, axis, "#888888" if grey else ink, dashed="shuffled" in experiment.name)
            panel.set(title=title, xlabel=label, xlim=(0, most), ylim=(0, 100))
            panel.grid(alpha=0.3)
            panel.ticklabel_format(axis="x", style="sci", scilimits=(0, 4))
            panel.legend(loc="best", fontsize=8)
    for panel in panels[:, 0]:
        panel.set(ylabel="held-out accuracy, %")
    save(figure, path)


def grouped(experiments: Sequence[Experiment]) -> dict[str, list[Experiment]]:
    """The panels that have something to show, by title. What stands in all of them comes last, so that inks agree."""
    common = [experiment for experiment in experiments if experiment.name == EVERYWHERE]
    groups: dict[str, list[Experiment]] = {title: [] for title in (*PANELS, REST)}
    for experiment in experiments:
        title = next((title for title, names in PANELS.items() if experiment.name in names), REST)
        if experiment.name != EVERYWHERE:
            groups[title].append(experiment)
    return {title: [*own, *common] for title, own in groups.items() if own}


def _draw(panel, experiment: Experiment, axis: Axis, ink: str, *, dashed: bool) -> None:
    at = [point.at[axis] for point in experiment.curve]
    mean = [100 * point.accuracy.mean for point in experiment.curve]
    spread = [100 * (point.accuracy.spread or 0.0) for point in experiment.curve]
    panel.plot(at, mean, "--" if dashed else "-", color=ink, label=experiment.name)
    low, high = ([m + sign * s for m, s in zip(mean, spread, strict=True)] for sign in (-1, 1))
    panel.fill_between(at, low, high, color=ink, alpha=0.12, linewidth=0)


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
