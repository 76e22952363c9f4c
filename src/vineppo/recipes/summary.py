"""A run in a few numbers, from its metrics."""

from collections.abc import Sequence
from typing import Any

from vineppo.config.schema import Config
from vineppo.metrics import Metrics


def summarise(config: Config, history: Sequence[Metrics]) -> dict[str, Any]:
    """What summary.json holds."""
    evaluated = [metrics for metrics in history if "eval/accuracy" in metrics]
    best = max(evaluated, key=lambda metrics: metrics["eval/accuracy"])
    return {
        "recipe": config.recipe.name,
        "credit": config.credit.name,
        "task": config.task.name,
        "seed": config.training.seed,
        "iterations": int(history[-1]["iteration"]),
        "updates": int(history[-1].get("updates", 0)),
        **({"measure": "reward"} if any("eval/reward" in metrics for metrics in history) else {}),
        "accuracy": {
            "start": evaluated[0]["eval/accuracy"],
            "final": evaluated[-1]["eval/accuracy"],
            "best": best["eval/accuracy"],
            "best_iteration": int(best["iteration"]),
        },
        "tokens": {name: int(value) for name, value in _totals(history, "tokens/").items()},
        "seconds": {
            name: round(value, 3)
            for name, value in _totals(history, "time/").items()
            if name not in ("iteration", "total")
        },
    }


def _totals(history: Sequence[Metrics], prefix: str) -> dict[str, float]:
    names = dict.fromkeys(name for metrics in history for name in metrics if name.startswith(prefix))
    return {name.removeprefix(prefix): sum(metrics.get(name, 0.0) for metrics in history) for name in names}
