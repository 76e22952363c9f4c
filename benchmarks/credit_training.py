"""Which credit trains the default task best? The default hyper-parameters, several seeds; only credit differs.

    python benchmarks/credit_training.py [--seeds 5] [--iterations 40] [--arms vine coupled]
    python benchmarks/credit_training.py --arms coupled tree rloo grpo    # at equal decoded tokens

Vines take K = 9, coupled vines their default budget: the same values for fewer tokens. The others decode as many tokens
as coupled vines: as rollouts that are learned from, or as more trajectories, in as many updates. Rates are the config's
for all. Runs that are finished are not run again.
"""

import argparse
from pathlib import Path
from statistics import fmean, stdev

from vineppo.config.load import load_config
from vineppo.metrics import Metrics
from whole_run import whole_run

HOME = Path("build/credit_training")
MORE = ("training.trajectories=7", "learner.minibatch=112", "learner.micro_batch=112")
"""Coupled vines decode about 40 tokens of rollouts for a trajectory of 51."""
ARMS = {
    # Vines spend about 600 tokens a trajectory on this task when the policy is good, twice as many at the start.
    "vine": ("credit=vine", "credit.rollouts=9"),
    "coupled": ("credit=coupled", "credit.rollouts=9", "credit.token_budget=150"),
    "tree": ("credit=tree", "credit.restarts=10", "credit.token_budget=40"),
    "rloo": ("credit=rloo", *MORE),
    "grpo": ("credit=grpo", *MORE),
}


def train(arm: str, seed: int, iterations: int) -> list[Metrics]:
    folder = HOME / f"{arm}-{iterations}-{seed}"
    overrides = [f"training.seed={seed}", f"training.iterations={iterations}", f"run.dir={folder}"]
    return whole_run(load_config("configs/arithmetic.yaml", [*ARMS[arm], *overrides]))


def accuracies(history: list[Metrics]) -> dict[int, float]:
    """By iteration."""
    return {int(own["iteration"]): own["eval/accuracy"] for own in history if "eval/accuracy" in own}


def total(history: list[Metrics], name: str) -> float:
    return sum(own.get(name, 0.0) for own in history)


def with_spread(numbers: list[float]) -> str:
    """Mean and standard deviation over seeds, in percent."""
    spread = f" +- {100 * stdev(numbers):.1f}" if len(numbers) > 1 else ""
    return f"{100 * fmean(numbers):.1f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=["vine", "coupled"])
    arguments = parser.parse_args()
    # Seed after seed, so that a study that is stopped has seen every arm as often.
    pairs = [(arm, train(arm, seed, arguments.iterations)) for seed in range(arguments.seeds) for arm in arguments.arms]
    runs = {arm: [history for other, history in pairs if other == arm] for arm in arguments.arms}
    for arm, histories in runs.items():
        rows = [accuracies(history) for history in histories]
        print(f"\n{arm}: accuracy in %, mean and standard deviation over {len(rows)} seeds")
        print("  " + "   ".join(f"{at}: {with_spread([row[at] for row in rows])}" for at in rows[0]))
        own, rollouts = (
            fmean(total(history, f"tokens/{part}") for history in histories) for part in ("trajectories", "rollouts")
        )
        seconds = fmean(total(history, "time/iteration") for history in histories)
        print(f"  trajectories {own / 1e6:.2f}M, rollouts {rollouts / 1e6:.2f}M tokens, {seconds:.0f} s a run")


if __name__ == "__main__":
    main()
