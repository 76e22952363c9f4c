"""What a checkpoint of the loop holds, and back."""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from vineppo.checkpoint import checkpoints, verify_checkpoint, write_checkpoint
from vineppo.policy import Policy, load_policy
from vineppo.recipes.policy_iteration import PolicyIteration

CRITIC = "critic.safetensors"
"""The value network's weights in a checkpoint."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """How far a run is."""

    iteration: int = 0
    updates: int = 0
    num_tokens: int = 0
    seconds: float = 0.0


def save(root: Path, loop: PolicyIteration, policy: Policy, position: Position) -> None:
    """Policy, critic, optimizers, schedules, random states and position, in one checkpoint.

    The curriculum is a function of the seed and the iteration, so the position is all of its state.
    """

    def fill(folder: Path) -> None:
        policy.save(folder / "policy")
        optimizers = {"learner": loop.learner.state_dict()}
        if loop.critic is not None:
            save_file(loop.critic.network.state_dict(), folder / CRITIC)
            optimizers["critic"] = loop.critic.state_dict()
        torch.save(optimizers, folder / "optimizers.pt")
        torch.save(_random_states(), folder / "random.pt")
        state = {name: getattr(position, name) for name in Position.__slots__}
        (folder / "position.json").write_text(json.dumps(state))

    write_checkpoint(root, position.iteration, fill)


def newest(root: Path) -> Path | None:
    """The newest checkpoint, verified; None when there is none."""
    found = checkpoints(root)
    if not found:
        return None
    verify_checkpoint(found[-1])
    return found[-1]


def restore(folder: Path, loop: PolicyIteration, policy: Policy) -> Position:
    """Put everything back and tell where the run is.

    `policy` and `loop` were built from the starting policy, which the reference model stays.
    """
    saved = load_policy(str(folder / "policy"), device="cpu")
    policy.model.load_state_dict(saved.model.state_dict())
    optimizers = torch.load(folder / "optimizers.pt", map_location="cpu", weights_only=True)
    loop.learner.load_state_dict(optimizers["learner"])
    if loop.critic is not None:
        loop.critic.network.load_state_dict(load_file(folder / CRITIC))
        loop.critic.load_state_dict(optimizers["critic"])
    _restore_random_states(torch.load(folder / "random.pt", weights_only=False))
    position = Position(**json.loads((folder / "position.json").read_text()))
    loop.engine.load_weights(loop.weights(), policy_version=position.iteration)
    return position


def _random_states() -> dict[str, Any]:
    """Nothing of ours draws from these; a user's reward function may."""
    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}


def _restore_random_states(states: dict[str, Any]) -> None:
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
