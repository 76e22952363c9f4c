"""Whether the update of a run will go in packs, before anything is loaded: an iteration as the estimate assumes it.

Every trajectory is assumed to be of the expected length and to share its prompt alone with others, prompts to share
nothing, and branches to leave evenly. Torch-free.
"""

import random
from dataclasses import dataclass

from vineppo.config.estimate import expected_shape
from vineppo.config.schema import Config
from vineppo.learner.packs import count_nodes
from vineppo.learner.passes import Passes
from vineppo.settings.model_shape import ModelShape
from vineppo.settings.operations import Costs
from vineppo.types import PromptAndResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class PassForecast:
    """Of one minibatch."""

    samples: int
    given: int
    """Tokens of all samples."""
    distinct: int
    """Of all its packs as one."""
    packed: bool


def forecast_passes(config: Config, shape: ModelShape) -> PassForecast:
    """The passes of an assumed minibatch."""
    samples, learner = assumed_samples(config), config.learner
    several = -(-config.batch // learner.minibatch)
    others = range(config.batch, len(samples))
    rng = random.Random(0)
    own = rng.sample(range(config.batch), min(learner.minibatch, config.batch))
    chosen = own + rng.sample(others, -(-len(others) // several))
    passes = Passes(rows=learner.micro_batch, pack_tokens=learner.pack_tokens or None, costs=costs_of_shape(shape))
    there = [samples[index] for index in chosen]
    return PassForecast(
        samples=len(there),
        given=sum(len(sample.token_ids) for sample in there),
        distinct=count_nodes(there),
        packed=learner.pack_tokens != 0 and passes.deal(there, range(len(there))).packed,
    )


def costs_of_shape(shape: ModelShape) -> Costs:
    """Of the layers."""
    return Costs(token=2 * shape.layers * shape.layer, pair=4 * shape.layers * shape.queries, layers=shape.layers)


def assumed_samples(config: Config) -> list[PromptAndResponse]:
    """Of an iteration: trajectories, then branches. Tokens that nothing shares are ids of their own."""
    shape = expected_shape(config)
    prompt, length = config.task.longest_prompt, shape.length
    fresh = iter(range(2**62))

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(next(fresh) for _ in range(count))

    prompts = [tokens(prompt) for _ in range(config.training.questions)]
    own = [ids + tokens(length) for ids in prompts for _ in range(config.training.trajectories)]
    each = config.credit.rollouts_of(shape).count if config.credit.learns_from_rollouts else 0
    leaves = [prompt + length * place // max(each, 1) for place in range(each)]
    branches = [(ids[:at], len(ids) - at) for ids in own for at in leaves]
    return [
        *(PromptAndResponse(token_ids=ids, prompt_length=prompt) for ids in own),
        *(PromptAndResponse(token_ids=ids + tokens(rest), prompt_length=len(ids)) for ids, rest in branches),
    ]


def render_passes(config: Config, shape: ModelShape | str) -> str:
    """For `--dry-run`: how samples will go through the model."""
    if not config.recipe.assigns_credit:
        return "Update: as rows or in packs, whichever takes fewer operations for what the judge accepts."
    if isinstance(shape, str):
        return "Update: as rows or in packs, whichever takes fewer operations (the model's shape is not known)."
    found = forecast_passes(config, shape)
    how = "in packs: what samples share is computed once" if found.packed else "as rows of their own"
    why = "learner.pack_tokens is 0" if config.learner.pack_tokens == 0 else "by operations, counted for each minibatch"
    return (
        f"Update: {how} ({why}). A minibatch of {found.samples:,} samples has {found.given:,} tokens, of which "
        f"{found.distinct:,} are distinct, if trajectories share their prompts alone."
    )
