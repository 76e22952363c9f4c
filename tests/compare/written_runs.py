"""Run directories written by hand, so that every number on a page can be told beforehand."""

import json
from pathlib import Path


def write_run(
    folder: Path, accuracies: list[float], *, iterations: int = 9, finished: bool = True, **settings: object
) -> Path:
    """An evaluation every iteration of four updates, 100 tokens and 2 seconds; half of both go to evaluation."""
    folder.mkdir(parents=True)
    credit, seed = settings.pop("credit", "vine"), settings.pop("seed", 0)
    training = {"iterations": iterations, "seed": seed}
    config = {"task": {"name": "arithmetic"}, "credit": {"name": credit}, "training": training, **settings}
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    lines = [
        {
            "iteration": i,
            "eval/accuracy": accuracy,
            "updates": 4 * i,
            "num_tokens": 200 * i,
            "tokens/trajectories": 100.0,
            "tokens/evaluation": 100.0,
            "time/total": 4.0 * i,
            "time/sample": 2.0,
            "time/evaluate": 2.0,
            **({"kl": 0.5 * i} if i else {}),
        }
        for i, accuracy in enumerate(accuracies)
    ]
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    if finished:
        (folder / "summary.json").write_text(json.dumps({"iterations": len(accuracies) - 1}))
    return folder
