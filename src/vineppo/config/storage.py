"""What a run will need on the disk, from the model's shape alone. Torch-free.

P parameters of the policy, A those that learn (P, or the adapters'), C of a value network:

    policy         4 P                     a Hugging Face folder in float32; with adapters 4 A more
    a checkpoint   4 P + 8 A + 12 C        with AdamW's moments, where the recipe goes on with its optimizer
    trajectories   some bytes a token      run.trajectories_logged each iteration
"""

from dataclasses import dataclass

from vineppo.config.estimate import expected_shape
from vineppo.config.memory.networks import MOMENTS, critic_parameters, trained_parameters
from vineppo.config.schema import Config
from vineppo.settings.memory import FLOAT32, in_words
from vineppo.settings.model_shape import ModelShape

BYTES_A_TOKEN = 4
"""Of text; English has about so many letters a token."""
BYTES_A_STEP = 400
"""Of the names and numbers of one step."""
EXAMPLES = 2
"""Rollouts written out for each state."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Storage:
    """Bytes."""

    checkpoint: int
    """One of them."""
    checkpoints: int
    """How many there are at most, one that is just being written included."""
    policy: int
    trajectories: int

    @property
    def total(self) -> int:
        """At most, at one time."""
        return self.checkpoint * self.checkpoints + self.policy + self.trajectories


def forecast_storage(config: Config, shape: ModelShape) -> Storage:
    """Of the whole run."""
    learns = trained_parameters(config, shape)
    policy = FLOAT32 * (shape.parameters + (0 if config.learner.lora is None else learns))
    optimizer = MOMENTS * FLOAT32 * learns if config.recipe.assigns_credit else 0
    return Storage(
        checkpoint=policy + optimizer + (1 + MOMENTS) * FLOAT32 * critic_parameters(config, shape),
        checkpoints=most_checkpoints(config),
        policy=policy,
        trajectories=trajectory_bytes(config) * config.run.trajectories_logged * config.training.iterations,
    )


def most_checkpoints(config: Config) -> int:
    """Those kept, one between them, and the one that is being written."""
    asked, iterations = config.checkpoint, config.training.iterations
    kept = min(asked.keep, iterations) + (iterations // asked.keep_every if asked.keep_every else 0)
    return min(kept + asked.between, iterations) + 1


def trajectory_bytes(config: Config) -> int:
    """Of one that is written out: the prompt twice, the response twice (as a whole and in steps), and rollouts."""
    shape = expected_shape(config)
    tokens = 2 * config.task.longest_prompt + 2 * shape.length
    if config.recipe.assigns_credit and config.credit.values == "rollouts":
        tokens += EXAMPLES * sum(shape.length - place for place in shape.states)
    return BYTES_A_TOKEN * tokens + BYTES_A_STEP * len(shape.states)


def render_storage(config: Config, shape: ModelShape | str, free: int) -> str:
    """For `--dry-run`. free: bytes left where the run will be."""
    if isinstance(shape, str):
        return f"Disk: no forecast, for the same reason; {in_words(free)} are free."
    found, kept = forecast_storage(config, shape), config.checkpoint
    between = "one between, " if kept.between else ""
    words = (
        f"Disk: about {in_words(found.total)}: {found.checkpoints} checkpoints of {in_words(found.checkpoint)} at most "
        f"(checkpoint.keep {kept.keep}, {between}one being written), the policy {in_words(found.policy)}, trajectories "
        f"{in_words(found.trajectories)}. {in_words(free)} are free there."
    )
    writes = found.checkpoint * config.training.iterations
    if kept.between or kept.every == 1:  # whichever makes them
        words += (
            f"\nA checkpoint after every iteration: {in_words(writes)} written over the run (checkpoint.every_seconds)."
        )
    if found.total > free:
        words += "\nwarning: that is less than it needs; lower checkpoint.keep, or give run.dir on another disk."
    return words
