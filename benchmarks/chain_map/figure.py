"""One figure: what step credit can gain, what it does gain at equal tokens, and whether training agrees."""

from itertools import cycle
from pathlib import Path

import numpy as np

from chain_map.methods import Kind
from chain_map.results import REFERENCE, Results, departures
from equal_tuning.figures import INKS, pyplot, save

GREY = "#999999"
LOOKS: dict[Kind, tuple[str, str, str]] = {
    "ceiling": (GREY, "o", "exact values for nothing"),
    "learned": (INKS[2], "s", "rollouts learned from, too"),
    "measured": (INKS[1], "^", "step values measured, best of all"),
}


def draw(results: Results, path: Path) -> None:
    """Three panels."""
    plt = pyplot()
    figure, panels = plt.subplots(1, 3, figsize=(15, 4.6))
    _gains(results, panels[0])
    _prices(results, panels[1])
    _training(results, panels[2])
    for panel, corner in zip(panels, ("upper center", "lower left", "lower right"), strict=True):
        panel.grid(alpha=0.3, which="both", linewidth=0.5)
        panel.legend(fontsize=7, loc=corner)
    save(figure, path)


def _gains(results: Results, panel) -> None:
    at = [departures(chain) for chain in results.chains]
    for kind, (ink, mark, label) in LOOKS.items():
        gains = [results.best(chain, kind) for chain in results.chains]
        times = np.array([gain.times for gain in gains])
        panel.errorbar(
            at, times, yerr=times * [gain.error for gain in gains], fmt=mark, ms=4, color=ink, label=label, lw=0.8
        )
    line = np.geomspace(min(at), max(at), 100)
    panel.plot(line, line, color=LOOKS["ceiling"][0], lw=1, ls=":")
    panel.plot(line, 1 / (1 / line + line / 2 + 2**0.5), color=LOOKS["measured"][0], lw=1, ls=":")
    panel.axhline(1, color="black", lw=1)
    panel.set(
        xscale="log",
        yscale="log",
        xlabel="departures a trajectory, $N_d$",
        ylabel="times fewer tokens than RLOO",
        title="At equal decoded tokens (dotted: theory)",
    )


def _prices(results: Results, panel) -> None:
    """Where measuring would be as good as RLOO if a rollout's token were so cheap."""
    found = [(departures(chain), results.break_even(chain)) for chain in results.chains]
    paying = [(at, price) for at, price in found if price is not None]
    never = [at for at, price in found if price is None]
    panel.plot(*zip(*paying, strict=True), "^", ms=5, color=LOOKS["measured"][0], label="measuring pays below")
    low = 2e-3
    panel.plot(never, [low] * len(never), "x", ms=5, color="black", label="it pays at no price")
    line = np.geomspace(1.05, max(at for at, _ in found), 100)
    root = (np.sqrt(2 + 2 * line * (1 - 1 / line)) - 2**0.5) / line
    panel.plot(line, root**2, color=LOOKS["measured"][0], lw=1, ls=":", label="theory")
    panel.axhline(1, color="black", lw=1)
    panel.set(
        xscale="log",
        yscale="log",
        xlabel="departures a trajectory, $N_d$",
        ylabel="price of a rollout's token, in a trajectory's",
        ylim=(1e-3, 2),
        title="How cheap values must be",
    )


def _training(results: Results, panel) -> None:
    """Foretold against trained."""
    names = dict.fromkeys(name for _, name, _ in results.training if name != REFERENCE)
    for ink, name in zip(cycle((*INKS, GREY)), names, strict=False):
        for optimizer, mark in zip(results.optimizers, "ox", strict=False):
            points = [
                (
                    results.foretold_cost(chain, REFERENCE) / results.foretold_cost(chain, name),
                    results.training[chain.name, REFERENCE, optimizer].tokens
                    / results.training[chain.name, name, optimizer].tokens,
                )
                for chain in results.trained
            ]
            label = name if mark == "o" else None
            panel.plot(*zip(*points, strict=True), mark, ms=4, color=ink, label=label)
    ends = [0.02, 20]
    panel.plot(ends, ends, color="black", lw=0.8)
    panel.set(
        xscale="log",
        yscale="log",
        xlabel="foretold from the noise: times fewer tokens than RLOO",
        ylabel="trained: times fewer tokens than RLOO",
        title="Training" + (" (o Adam, x SGD)" if len(results.optimizers) > 1 else ""),
    )
