"""A run in a few numbers, from its metrics."""

from collections.abc import Sequence
from typing import Any

from vineppo.config.schema import Config
from vineppo.metrics import Metrics


def summarise(config: Config, history: Sequence[Metrics]) -> dict[str, Any]:
    """What summary.json holds."""
    return {
        "recipe": config.recipe.name,
        "credit": config.credit.name,
        "task": config.task.name,
        "seed": config.training.seed,
        **outcome(history),
    }


def outcome(history: Sequence[Metrics]) -> dict[str, Any]:
    """How far it came and what it took; no accuracy where nothing was evaluated."""
    return {
        "iterations": int(history[-1]["iteration"]),
        "updates": int(history[-1].get("updates", 0)),
        **({"measure": "reward"} if any("eval/reward" in metrics for metrics in history) else {}),
        **accuracy([metrics for metrics in history if "eval/accuracy" in metrics]),
        "tokens": {name: int(value) for name, value in _totals(history, "tokens/").items()},
        "seconds": {
            name: round(value, 3)
            for name, value in _totals(history, "time/").items()
            if name not in ("iteration", "total")
        },
    }


def accuracy(evaluated: Sequence[Metrics]) -> dict[str, Any]:
    """Of the evaluations of a run, in order."""
    if not evaluated:
        return {}
    best = max(evaluated, key=lambda metrics: metrics["eval/accuracy"])
    return {
        "accuracy": {
            "start": evaluated[0]["eval/accuracy"],
            "final": evaluated[-1]["eval/accuracy"],
            "best": best["eval/accuracy"],
            "best_iteration": int(best["iteration"]),
        }
    }


def _totals(history: Sequence[Metrics], prefix: str) -> dict[str, float]:
    names = dict.fromkeys(name for metrics in history for name in metrics if name.startswith(prefix))
    return {name.removeprefix(prefix): sum(metrics.get(name, 0.0) for metrics in history) for name in names}
