"""Does cheaper credit train as well? VinePPO with K = 9 beside coupled vines at a quarter of its rollout tokens.

The default task and hyper-parameters, several seeds; only `credit` differs. Runs that are finished are not run again.

    python benchmarks/coupled_training.py [--seeds 5] [--iterations 70]
"""

import argparse
from pathlib import Path
from statistics import fmean, stdev

from vineppo.config.load import load_config
from vineppo.metrics import Metrics
from vineppo.trainer import Trainer

HOME = Path("build/coupled/training_runs")
ARMS = {
    "vine, K 9": ["credit=vine", "credit.rollouts=9"],
    # Vines spend about 600 tokens a trajectory on this task when the policy is good, twice as many at the start.
    "coupled, 150 tokens": ["credit=coupled", "credit.rollouts=9", "credit.token_budget=150"],
}


def train(arm: str, seed: int, iterations: int) -> list[Metrics]:
    folder = HOME / f"{arm.replace(' ', '-').replace(',', '')}-{iterations}-{seed}"
    overrides = [f"training.seed={seed}", f"training.iterations={iterations}", f"run.dir={folder}"]
    return Trainer(load_config("configs/arithmetic.yaml", [*ARMS[arm], *overrides]), resume=True).train().metrics


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
    parser.add_argument("--iterations", type=int, default=70)
    arguments = parser.parse_args()
    runs = {arm: [train(arm, seed, arguments.iterations) for seed in range(arguments.seeds)] for arm in ARMS}
    for arm, histories in runs.items():
        rows = [accuracies(history) for history in histories]
        print(f"\n{arm}: accuracy in %, mean and standard deviation over {len(rows)} seeds")
        print("  " + "   ".join(f"{at}: {with_spread([row[at] for row in rows])}" for at in rows[0]))
        tokens = fmean(total(history, "tokens/rollouts") for history in histories)
        seconds = fmean(total(history, "time/iteration") for history in histories)
        print(f"  rollouts {tokens / 1e6:.2f}M tokens, {seconds:.0f} s a run")


if __name__ == "__main__":
    main()
