"""The policy update. It knows tokens, advantages and log-probs, and nothing of how credit was assigned.

    loss = average over the minibatch of the tokens' PPO-clip loss (`learner/averages.py`); a mask leaves tokens out
         + kl_coefficient * mean over its trajectories of the k3 KL to the starting policy, summed over tokens

Branches are samples that the KL does not know: they begin anywhere, and tell nothing of the policy as a whole.

Both averages are over the whole minibatch, whatever the micro-batch and the number of processes: accumulated gradients
equal those of one big batch. Every process knows all samples, so only gradients and sums have to be gathered.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vineppo.learner.averages import token_weights
from vineppo.learner.batch import collate
from vineppo.learner.idle import without_idle_tail
from vineppo.learner.losses import k3, ppo_clip_loss
from vineppo.learner.minibatches import Round
from vineppo.learner.optimizer import policy_optimizer
from vineppo.learner.parallel import accumulating, backward
from vineppo.learner.reference import Reference
from vineppo.learner.scores import score
from vineppo.learner.shares import shares
from vineppo.metrics import Metrics, mean_metrics
from vineppo.processes import ALONE, Processes
from vineppo.seams import Progress
from vineppo.settings.learner import Average, LearnerConfig
from vineppo.types import Sample

SUMS = ("loss/policy", "entropy", "ratio/mean", "ratio/clipped", "sampler_kl", "kl")
"""What an update adds up over its forward passes."""


class Learner:
    """Holds the policy (a TokenLogprobs, perhaps parallel), the reference (None: no KL term) and the optimizer.

    `updates` is the number planned for the whole run: the schedule needs it. average: of the policy loss, where the
    settings name none. limit: tokens of a response at most.
    """

    def __init__(
        self,
        policy: nn.Module,
        reference: Reference | None,
        settings: LearnerConfig,
        *,
        updates: int,
        average: Average = "tokens",
        limit: int = 1,
        processes: Processes = ALONE,
    ):
        self._average: Average = settings.average or average
        self._limit = limit
        self._policy = policy
        self._processes = processes
        self._reference = reference
        self._settings = settings
        self._optimizer = policy_optimizer(policy, settings, updates=updates)

    def update(
        self,
        samples: Sequence[Sample],
        *,
        branches: Sequence[Sample] = (),
        seed: int,
        progress: Progress | None = None,
    ) -> Metrics:
        """All epochs over the samples, and branches spread over their minibatches.

        Raises ValueError when a sample has no response token.
        """
        together = [*samples, *branches]
        learning = [sum(sample.learning) for sample in together]
        if self._settings.skip_idle:
            together = [without_idle_tail(sample) for sample in together]
        total = self._settings.epochs * -(-len(samples) // self._settings.minibatch)
        these = Round(
            samples=together,
            learning=learning,
            trajectories=len(samples),
            # A single update is made by the policy that sampled: its own pass tells the old log-probs.
            old=None if total == 1 else self._score(together),
            reference=self._reference(samples) if self._reference else None,
        )
        learning_rate = self._optimizer.learning_rate
        results: list[Metrics] = []
        for epoch in range(self._settings.epochs):
            for chosen in these.minibatches(self._settings.minibatch, seed=seed, epoch=epoch):
                learning_rate = self._optimizer.learning_rate
                results.append(self._step(these, chosen))
                if progress is not None:
                    progress(len(results), total)
        return {
            **mean_metrics(results),
            "learning_rate": learning_rate,
            "updates_made": float(len(results)),
            "trained_tokens": float(self._settings.epochs * sum(len(sample.advantages) for sample in together)),
            "updates_skipped": sum(r["updates_skipped"] for r in results),
            "updates_nonfinite": sum(r["updates_nonfinite"] for r in results),
        }

    def finished(self, updates_per_epoch: int) -> None:
        """The schedule stands after so many planned updates an epoch, whether all were made or not."""
        self._optimizer.finished(updates_per_epoch * self._settings.epochs)

    def state_dict(self) -> dict[str, Any]:
        """Optimizer and schedule; the weights are saved with the policy."""
        return self._optimizer.state_dict(keep=self._processes.is_main)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self._optimizer.load_state_dict(state)

    def _step(self, these: Round, chosen: Sequence[int]) -> Metrics:
        """One update."""
        samples = these.samples
        advantages = {i: torch.tensor(samples[i].learned, device=self._device) for i in chosen}
        weights = self._weights(these, chosen)
        num_trajectories = len(these.own(chosen))
        num_tokens = sum(len(samples[i].advantages) for i in these.own(chosen))
        num_trained = sum(len(samples[i].advantages) for i in chosen)
        sums: dict[str, float] = dict.fromkeys(SUMS, 0.0)
        for share in shares(samples, chosen, size=self._settings.micro_batch, processes=self._processes):
            batch = collate([samples[i] for i in share.indices], device=self._device)
            on, own = torch.tensor(these.measured(share.indices), device=self._device), these.own(share.indices)
            with accumulating(self._policy, share):
                logprobs, entropies = self._policy(batch.token_ids, batch.attention_mask, batch.rows, batch.columns)
                old = logprobs.detach() if these.old is None else torch.cat([these.old[i] for i in share.indices])
                losses = ppo_clip_loss(
                    logprobs, old, torch.cat([advantages[i] for i in share.indices]), clip=self._settings.clip
                )
                loss = policy_loss = (losses * torch.cat([weights[i] for i in share.indices])).sum()
                if these.reference is not None and own:
                    kl = k3(logprobs[on], torch.cat([these.reference[i] for i in own])).sum() / num_trajectories
                    loss = loss + self._settings.kl_coefficient * kl
                    sums["kl"] += share.weight * kl.item()
                backward(loss, share, self._processes)
            sums["loss/policy"] += share.weight * policy_loss.item()
            ratio = (logprobs.detach() - old).exp()
            clipped = ((ratio - 1).abs() > self._settings.clip).sum().item()
            sums["entropy"] += share.weight * entropies[on].sum().item() / num_tokens
            sums["ratio/mean"] += share.weight * ratio.sum().item() / num_trained
            sums["ratio/clipped"] += share.weight * clipped / num_trained
            sampled = torch.tensor([logprob for i in own for logprob in samples[i].logprobs])
            sums["sampler_kl"] += share.weight * (sampled - old[on].cpu()).sum().item() / num_tokens
        sums = self._processes.sum(sums)
        if these.reference is None:
            del sums["kl"]
        veto = not sums["ratio/mean"] <= self._settings.ratio_guard
        norm = self._optimizer.step(veto=veto)
        finite = {} if norm is None else {"grad_norm": norm}
        return {**sums, **finite, "updates_skipped": float(veto), "updates_nonfinite": float(norm is None)}

    def _weights(self, these: Round, chosen: Sequence[int]) -> dict[int, Float[Tensor, " _"]]:
        """Of each token of the minibatch, in its average."""
        learning, own = [these.learning[i] for i in chosen], [i < these.trajectories for i in chosen]
        weights = token_weights(learning, own, self._average, limit=self._limit)
        return {
            i: torch.full((len(these.samples[i].advantages),), weight, device=self._device)
            for i, weight in zip(chosen, weights, strict=True)
        }

    def _score(self, samples: Sequence[Sample]) -> list[Float[Tensor, " _"]]:
        return score(self._policy, samples, size=self._settings.micro_batch, processes=self._processes)

    @property
    def _device(self) -> torch.device:
        return next(self._policy.parameters()).device
