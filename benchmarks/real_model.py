"""The training study of docs/real_model.md: its table, its figure, and what an iteration costs, from kept metrics.

    python benchmarks/real_model.py --keep runs/smollm2_grpo grpo-0    take a run's metrics down in benchmarks/results
    python benchmarks/real_model.py                                    tables of all that is kept, and the figure

Runs are made by `vineppo train configs/smollm2_svamp.yaml credit=METHOD training.seed=SEED`.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from equal_tuning.figures import INKS, pyplot, save
from equal_tuning.methods import ROOT
from equal_tuning.tables import markdown
from vineppo.analysis.run_comparison import Axis, Point, read_points
from vineppo.metrics import Metrics
from vineppo.run_dir import RunDir

KEPT = ROOT / "benchmarks/results/smollm2/falling-rate"
FIGURE = ROOT / "docs/figures/real_model_training.png"
LABELS: Mapping[Axis, str] = {
    "tokens": "decoded tokens",
    "seconds": "seconds of training, one thread of a busy machine",
}
PHASES = ("time/sample", "time/credit", "time/update", "tokens/trajectories", "tokens/rollouts", "trained_tokens")
COLUMNS = (
    "iteration",
    "eval/accuracy",
    "eval/standard_error",
    "time/evaluate",
    "tokens/evaluation",
    "updates",
    "reward",
)
COLUMNS += ("frac_reward_zero_std", "entropy", "num_tokens", "time/iteration", "time/total", *PHASES)
"""What is kept of a run."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", nargs=2, metavar=("RUN", "METHOD-SEED"), help="take a run's metrics down")
    return parser.parse_args()


def main() -> None:
    """Keep a run, or show what is kept."""
    given = arguments()
    if given.keep:
        run, name = given.keep
        keep(RunDir(Path(run)).read_metrics(), KEPT / f"{name}.jsonl")
        return
    runs = kept()
    print(accuracy_table(runs), cost_table(runs), sep="\n\n")
    draw({name: read_points(lines) for name, lines in runs.items()}, FIGURE)


def keep(lines: Sequence[Metrics], path: Path) -> None:
    """Four digits of what the tables and the figure need."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{name: round(line[name], 4) for name in COLUMNS if name in line} for line in lines]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def kept() -> dict[str, list[Metrics]]:
    """By method and seed."""
    return {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in sorted(KEPT.glob("*"))}


def accuracy_table(runs: Mapping[str, Sequence[Metrics]]) -> str:
    """In percent, an evaluation a column."""
    curves = {name: read_points(lines) for name, lines in runs.items()}
    iterations = sorted({point.iteration for points in curves.values() for point in points})
    head = ["run", *map(str, iterations), "gain", "decoded tokens"]
    rows = [
        [
            name,
            *(f"{100 * own[at]:.1f}" if at in own else "" for at in iterations),
            f"{100 * (points[-1].accuracy - points[0].accuracy):+.1f}",
            f"{points[-1].at['tokens'] / 1000:.0f}k",
        ]
        for name, points in curves.items()
        for own in [{point.iteration: point.accuracy for point in points}]
    ]
    return markdown([head, *rows])


def cost_table(runs: Mapping[str, Sequence[Metrics]]) -> str:
    """Means over all iterations."""
    rows = [
        [name, *(f"{fmean(line.get(phase, 0.0) for line in lines[1:]):,.1f}" for phase in PHASES)]
        for name, lines in runs.items()
    ]
    return markdown([["run", *PHASES], *rows])


def draw(curves: Mapping[str, Sequence[Point]], path: Path) -> None:
    """A line a run, an ink a method."""
    methods = list(dict.fromkeys(name.rsplit("-", 1)[0] for name in curves))
    figure, panels = pyplot().subplots(1, len(LABELS), figsize=(9, 3.4), sharey=True)
    for panel, (axis, label) in zip(panels, LABELS.items(), strict=True):
        for name, points in curves.items():
            method, seed = name.rsplit("-", 1)
            at = [point.at[axis] for point in points]
            accuracy = [100 * point.accuracy for point in points]
            style = "-" if seed == "0" else "--"
            panel.plot(
                at, accuracy, style, color=INKS[methods.index(method)], marker="o", label=f"{method}, seed {seed}"
            )
        panel.set(xlabel=label, ylim=(10, 30))
        panel.grid(alpha=0.3)
        panel.ticklabel_format(axis="x", style="sci", scilimits=(0, 4))
    panels[0].set(ylabel="right on held-out SVAMP, %")
    panels[0].legend(fontsize=8)
    save(figure, path)


if __name__ == "__main__":
    main()
