"""The policy update. It knows tokens, advantages and log-probs, and nothing of how credit was assigned.

    loss = mean over the minibatch's tokens of the PPO-clip loss, those left out by the samples' masks not counted
         + kl_coefficient * mean over its trajectories of the k3 KL to the starting policy, summed over tokens

Whitening and both means are over the whole minibatch, whatever the micro-batch and the number of processes: accumulated
gradients equal those of one big batch. Every process knows all samples, so only gradients and sums have to be gathered.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vineppo.config.schema import LearnerConfig
from vineppo.learner.batch import collate
from vineppo.learner.losses import k3, ppo_clip_loss, whiten
from vineppo.learner.minibatches import minibatches
from vineppo.learner.optimizer import policy_optimizer
from vineppo.learner.parallel import accumulating, backward
from vineppo.learner.reference import Reference
from vineppo.learner.scores import score
from vineppo.learner.shares import shares
from vineppo.metrics import Metrics, mean_metrics
from vineppo.processes import ALONE, Processes
from vineppo.seams import Progress
from vineppo.types import Sample

SUMS = ("loss/policy", "entropy", "ratio/mean", "ratio/clipped", "sampler_kl", "kl")
"""What an update adds up over its forward passes."""


class Learner:
    """Holds the policy (a TokenLogprobs, perhaps parallel), the reference (None: no KL term) and the optimizer.

    `updates` is the number planned for the whole run: the schedule needs it.
    """

    def __init__(
        self,
        policy: nn.Module,
        reference: Reference | None,
        settings: LearnerConfig,
        *,
        updates: int,
        processes: Processes = ALONE,
    ):
        self._policy = policy
        self._processes = processes
        self._reference = reference
        self._settings = settings
        self._optimizer = policy_optimizer(policy, settings, updates=updates)

    def update(self, samples: Sequence[Sample], *, seed: int, progress: Progress | None = None) -> Metrics:
        """All epochs over the samples. Raises ValueError when a sample has no response token."""
        total = self._settings.epochs * -(-len(samples) // self._settings.minibatch)
        # A single update is made by the policy that sampled: its own pass tells the old log-probs.
        old = None if total == 1 else self._score(samples)
        reference = self._reference(samples) if self._reference else None
        learning_rate = self._optimizer.learning_rate
        results: list[Metrics] = []
        for epoch in range(self._settings.epochs):
            for chosen in minibatches(len(samples), size=self._settings.minibatch, seed=seed, epoch=epoch):
                learning_rate = self._optimizer.learning_rate
                results.append(self._step(samples, chosen, old, reference))
                if progress is not None:
                    progress(len(results), total)
        return {
            **mean_metrics(results),
            "learning_rate": learning_rate,
            "updates_made": float(len(results)),
            "updates_skipped": sum(r["updates_skipped"] for r in results),
            "updates_nonfinite": sum(r["updates_nonfinite"] for r in results),
        }

    def state_dict(self) -> dict[str, Any]:
        """Optimizer and schedule; the weights are saved with the policy."""
        return self._optimizer.state_dict(keep=self._processes.is_main)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self._optimizer.load_state_dict(state)

    def _step(
        self,
        samples: Sequence[Sample],
        chosen: Sequence[int],
        old: Sequence[Float[Tensor, " _"]] | None,
        reference: Sequence[Float[Tensor, " _"]] | None,
    ) -> Metrics:
        """One update. old: log-probs under the policy before the first; None: this is the first."""
        advantages, num_learning = self._advantages(samples, chosen)
        num_tokens = sum(len(samples[i].advantages) for i in chosen)
        sums: dict[str, float] = dict.fromkeys(SUMS, 0.0)
        for share in shares(samples, chosen, size=self._settings.micro_batch, processes=self._processes):
            batch = collate([samples[i] for i in share.indices], device=self._device)
            with accumulating(self._policy, share):
                logprobs, entropies = self._policy(batch.token_ids, batch.attention_mask, batch.rows, batch.columns)
                old_logprobs = torch.cat([old[i] for i in share.indices]) if old is not None else logprobs.detach()
                policy_loss = ppo_clip_loss(
                    logprobs, old_logprobs, torch.cat([advantages[i] for i in share.indices]), clip=self._settings.clip
                ).sum()
                loss = policy_loss / num_learning
                if reference is not None:
                    kl = k3(logprobs, torch.cat([reference[i] for i in share.indices])).sum()
                    loss = loss + self._settings.kl_coefficient * kl / len(chosen)
                    sums["kl"] += share.weight * kl.item() / len(chosen)
                backward(loss, share, self._processes)
            ratio = (logprobs.detach() - old_logprobs).exp()
            sums["loss/policy"] += share.weight * policy_loss.item() / num_learning
            sums["entropy"] += share.weight * entropies.sum().item() / num_tokens
            sums["ratio/mean"] += share.weight * ratio.sum().item() / num_tokens
            sums["ratio/clipped"] += share.weight * ((ratio - 1).abs() > self._settings.clip).sum().item() / num_tokens
            sampled = torch.tensor([logprob for i in share.indices for logprob in samples[i].logprobs])
            sums["sampler_kl"] += share.weight * (sampled - old_logprobs.cpu()).sum().item() / num_tokens
        sums = self._processes.sum(sums)
        if reference is None:
            del sums["kl"]
        veto = not sums["ratio/mean"] <= self._settings.ratio_guard
        norm = self._optimizer.step(veto=veto)
        finite = {} if norm is None else {"grad_norm": norm}
        return {**sums, **finite, "updates_skipped": float(veto), "updates_nonfinite": float(norm is None)}

    def _advantages(
        self, samples: Sequence[Sample], chosen: Sequence[int]
    ) -> tuple[dict[int, Float[Tensor, " _"]], int]:
        """The minibatch's advantages, whitened together, and how many tokens learn: the others get 0 and count not."""
        flat = torch.tensor([a for i in chosen for a in samples[i].advantages], device=self._device)
        masks = [samples[i].mask or (True,) * len(samples[i].advantages) for i in chosen]
        learning = torch.tensor([learns for mask in masks for learns in mask], device=self._device)
        kept = whiten(flat[learning]) if self._settings.whiten else flat[learning]
        flat = torch.zeros_like(flat).masked_scatter(learning, kept)
        parts = flat.split([len(mask) for mask in masks])
        return dict(zip(chosen, parts, strict=True)), max(len(kept), 1)

    def _score(self, samples: Sequence[Sample]) -> list[Float[Tensor, " _"]]:
        return score(self._policy, samples, size=self._settings.micro_batch, processes=self._processes)

    @property
    def _device(self) -> torch.device:
        return next(self._policy.parameters()).device
