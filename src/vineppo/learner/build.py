"""All that learns, on any number of processes: the policy, its reference and the value network.

The order matters: whatever is a copy of the starting policy is made before adapters are added and weights sharded.
"""

import copy
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

from vineppo.learner.critic import Critic, ValueNetwork
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.lora import add_adapters
from vineppo.learner.packable import costs_of
from vineppo.learner.parallel import parallel
from vineppo.learner.passes import Passes
from vineppo.learner.recompute import enable_recompute
from vineppo.learner.reference import Reference, frozen_copy, without_adapters
from vineppo.learner.trained import TrainedPolicy
from vineppo.policy import Policy, cast
from vineppo.processes import ALONE, Processes
from vineppo.rng import derive_seed
from vineppo.settings.learner import CriticConfig, LearnerConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """What all that learns has in common."""

    settings: LearnerConfig
    dtype: torch.dtype
    """What the policy is computed in."""
    temperature: float
    """Of the sampling law; log-probs are taken under it."""
    seed: int
    """Of the run."""
    context: int | None = None
    """`engine.context`."""
    processes: Processes = ALONE

    def sampled(self, policy: Policy) -> Policy:
        """What the engine samples from: the trained model itself where it is whole and of the engine's precision, else
        a copy, which takes the new weights after each update."""
        own = self.processes.sharded or self.settings.lora is not None or self.dtype != torch.float32
        return policy.copy(self.dtype, self.processes.device) if own else policy

    def passes(self, policy: Policy) -> Passes:
        """Packs where the policy computes them exactly."""
        asked, context = self.settings.pack_tokens, min(policy.context, self.context or policy.context)
        costs = None if asked == 0 else costs_of(policy.model, context=context)
        return Passes(rows=self.settings.micro_batch, pack_tokens=asked, costs=costs)

    def trained(self, policy: Policy, passes: Passes | None = None) -> TrainedPolicy:
        """The policy made ready to be trained, in place."""
        passes = self.passes(policy) if passes is None else passes
        lora, added = self.settings.lora, None
        if lora is not None:
            # Frozen weights need no master copy, so they are kept in the precision that is computed in.
            cast(policy.model, self.dtype)
            added = add_adapters(policy.model, lora, seed=derive_seed(self.seed, "adapters"))
        scorer = self.scorer(policy.model)
        return TrainedPolicy(
            policy=policy,
            scorer=parallel(scorer, policy.model, self.processes, dtype=self.dtype),
            adapters=added,
            passes=passes,
            processes=self.processes,
        )

    def reference(self, frozen: PreTrainedModel | None, trained: TrainedPolicy) -> Reference | None:
        """What the KL is measured to; None where there is none. frozen: what `frozen` made."""
        if frozen is not None:
            scorer = parallel(self.scorer(frozen), frozen, self.processes, dtype=self.dtype)
            device = trained.policy.device if self.settings.reference_offload else None
            if device is not None:
                scorer.to("cpu")
            return frozen_copy(scorer, passes=trained.passes, processes=self.processes, device=device)
        if self.settings.kl_coefficient:
            return without_adapters(trained.scorer, passes=trained.passes, processes=self.processes)
        return None

    def frozen(self, policy: Policy) -> PreTrainedModel | None:
        """A copy of the starting policy; None where no KL is asked for, or where adapters leave it as it was."""
        if not self.settings.kl_coefficient or self.settings.lora is not None:
            return None
        frozen = cast(copy.deepcopy(policy.model), self.dtype)
        frozen.requires_grad_(False)
        return frozen

    def scorer(self, model: PreTrainedModel) -> TokenLogprobs:
        """Log-probs under the sampling temperature."""
        if self.settings.gradient_checkpointing:
            enable_recompute(model)
        return TokenLogprobs(
            model,
            temperature=self.temperature,
            chunk=self.settings.logprob_chunk,
            dtype=self.dtype,
            recompute=self.settings.gradient_checkpointing,
        )

    def critic(
        self, settings: CriticConfig | None, policy: Policy, *, updates: int, passes: Passes | None = None
    ) -> Critic | None:
        """A value network, initialised from the policy; None where none is asked for."""
        if settings is None:
            return None
        recompute = self.settings.gradient_checkpointing
        network: nn.Module = ValueNetwork(policy.model, dtype=self.dtype, recompute=recompute)
        network = parallel(network, policy.model, self.processes, dtype=self.dtype)
        passes = self.passes(policy) if passes is None else passes
        return Critic(network, self.settings, settings, updates=updates, passes=passes, processes=self.processes)
