"""From a config to all that learns, on any number of processes: the policy, its reference and the value network.

The order matters: whatever is a copy of the starting policy is made before adapters are added and weights sharded.
"""

import copy

from torch import nn
from transformers import PreTrainedModel

from vineppo.config.schema import Config, PpoCredit
from vineppo.learner.critic import Critic, ValueNetwork
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.lora import add_adapters
from vineppo.learner.packable import costs_of
from vineppo.learner.parallel import parallel
from vineppo.learner.passes import Passes
from vineppo.learner.recompute import enable_recompute
from vineppo.learner.reference import Reference, frozen_copy, without_adapters
from vineppo.learner.trained import TrainedPolicy
from vineppo.policy import DTYPES, Policy, cast
from vineppo.processes import ALONE, Processes
from vineppo.rng import derive_seed


def sampling_policy(config: Config, policy: Policy, processes: Processes) -> Policy:
    """What the engine samples from: the trained model itself where it is whole and of the engine's precision, else a
    copy, which takes the new weights after each update."""
    own = processes.sharded or config.learner.lora is not None or config.policy.dtype != "float32"
    return policy.copy(DTYPES[config.policy.dtype], processes.device) if own else policy


def build_passes(config: Config, policy: Policy) -> Passes:
    """Packs where the policy computes them exactly."""
    learner, context = config.learner, min(policy.context, config.engine.context or policy.context)
    costs = None if learner.pack_tokens == 0 else costs_of(policy.model, context=context)
    return Passes(rows=learner.micro_batch, pack_tokens=learner.pack_tokens, costs=costs)


def build_trained(config: Config, policy: Policy, passes: Passes, processes: Processes) -> TrainedPolicy:
    """The policy made ready to be trained, in place."""
    lora, added = config.learner.lora, None
    if lora is not None:
        # Frozen weights need no master copy, so they are kept in the precision that is computed in.
        cast(policy.model, DTYPES[config.policy.dtype])
        added = add_adapters(policy.model, lora, seed=derive_seed(config.training.seed, "adapters"))
    scorer = build_scorer(config, policy.model)
    return TrainedPolicy(
        policy=policy,
        scorer=parallel(scorer, policy.model, processes, dtype=DTYPES[config.policy.dtype]),
        adapters=added,
        passes=passes,
        processes=processes,
    )


def build_reference(
    config: Config, frozen: PreTrainedModel | None, trained: TrainedPolicy, processes: Processes
) -> Reference | None:
    """What the KL is measured to; None where there is none. `frozen` is what `copy_reference` made."""
    if frozen is not None:
        scorer = parallel(build_scorer(config, frozen), frozen, processes, dtype=DTYPES[config.policy.dtype])
        device = trained.policy.device if config.learner.reference_offload else None
        if device is not None:
            scorer.to("cpu")
        return frozen_copy(scorer, passes=trained.passes, processes=processes, device=device)
    if config.learner.kl_coefficient:
        return without_adapters(trained.scorer, passes=trained.passes, processes=processes)
    return None


def copy_reference(config: Config, policy: Policy) -> PreTrainedModel | None:
    """The starting policy, frozen; None where no KL is asked for, or where adapters leave it as it was."""
    if not config.learner.kl_coefficient or config.learner.lora is not None:
        return None
    frozen = cast(copy.deepcopy(policy.model), DTYPES[config.policy.dtype])
    frozen.requires_grad_(False)
    return frozen


def build_scorer(config: Config, model: PreTrainedModel) -> TokenLogprobs:
    """Log-probs under the sampling temperature."""
    if config.learner.gradient_checkpointing:
        enable_recompute(model)
    return TokenLogprobs(
        model,
        temperature=config.sampling.temperature,
        chunk=config.learner.logprob_chunk,
        dtype=DTYPES[config.policy.dtype],
        recompute=config.learner.gradient_checkpointing,
    )


def build_critic(
    config: Config, policy: Policy, passes: Passes, *, updates: int, processes: Processes = ALONE
) -> Critic | None:
    """PPO's value network, initialised from the policy; None for the others."""
    if not isinstance(config.credit, PpoCredit):
        return None
    dtype, recompute = DTYPES[config.policy.dtype], config.learner.gradient_checkpointing
    network: nn.Module = ValueNetwork(policy.model, dtype=dtype, recompute=recompute)
    network = parallel(network, policy.model, processes, dtype=dtype)
    return Critic(network, config.learner, config.credit, updates=updates, passes=passes, processes=processes)
