"""What a checkpoint of a run holds, and back."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vineppo.checkpoint import checkpoints, verify_checkpoint, write_checkpoint
from vineppo.errors import UserError
from vineppo.recipes.algorithm import Algorithm
from vineppo.recipes.random_states import random_states, restore_random_states
from vineppo.run_dir import MetricsMark

RANDOM, METRICS = "random.json", "metrics.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """How far a run is."""

    iteration: int = 0
    updates: int = 0
    num_tokens: int = 0
    seconds: float = 0.0


def save(root: Path, algorithm: Algorithm, position: Position, metrics: MetricsMark, *, regular: bool = True) -> None:
    """Policy, what the algorithm and its curriculum go by, random states and position, in one checkpoint. It also knows
    the metrics that were made on the way to it.

    All processes must call it: the main one writes, the others hand it their shards.
    """

    def gather(folder: Path) -> None:
        algorithm.policy.save(folder / "policy")
        algorithm.save(folder)

    def fill(folder: Path) -> None:
        gather(folder)
        (folder / "curriculum.json").write_text(json.dumps(algorithm.sampler.curriculum.state()))
        (folder / RANDOM).write_text(json.dumps(random_states()))
        state = {name: getattr(position, name) for name in Position.__slots__}
        (folder / "position.json").write_text(json.dumps(state))
        (folder / METRICS).write_text(json.dumps(asdict(metrics)))

    if algorithm.policy.processes.is_main:
        write_checkpoint(root, position.iteration, fill, regular=regular)
    else:
        gather(root)


def newest(root: Path) -> Path | None:
    """The newest checkpoint, verified; None when there is none."""
    found = checkpoints(root)
    if not found:
        return None
    verify_checkpoint(found[-1])
    return found[-1]


def metrics_of(folder: Path) -> MetricsMark | None:
    """What a checkpoint knows of the metrics; None where an earlier version wrote it."""
    return MetricsMark(**json.loads((folder / METRICS).read_text())) if (folder / METRICS).exists() else None


def restore(folder: Path, algorithm: Algorithm) -> Position:
    """Put everything back and tell where the run is, with however many processes it was saved.

    `algorithm` was built from the starting policy, which it may still need.
    """
    algorithm.policy.restore(folder / "policy")
    algorithm.load(folder)
    algorithm.sampler.curriculum.restore(json.loads((folder / "curriculum.json").read_text()))
    restore_random_states(read_random_states(folder))
    position = Position(**json.loads((folder / "position.json").read_text()))
    weights = algorithm.policy.weights()
    algorithm.sampler.environment.engine.load_weights(weights, policy_version=position.iteration)
    return position


def read_random_states(folder: Path) -> dict[str, Any]:
    """Of a checkpoint."""
    if not (folder / RANDOM).exists():
        raise UserError(
            f"checkpoint {folder} has no {RANDOM}: an earlier version wrote it, with pickles, which are not read "
            "because that can run anything; resume with that version, or start another run from its policy with "
            f"policy.path={folder / 'policy'}"
        )
    return json.loads((folder / RANDOM).read_text())
