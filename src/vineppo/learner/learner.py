"""The policy update. It knows tokens, advantages and log-probs, and nothing of how credit was assigned.

    loss = average over the minibatch of the tokens' PPO-clip loss (`learner/averages.py`), of the ratio of a token or
           of several pooled (`learner/pooling.py`)
         + kl_coefficient * mean over its trajectories of the k3 KL to the starting policy, summed over tokens

A mask leaves tokens out of both, and out of the ratios that are told. Branches are samples that the KL does not know:
they begin anywhere, and tell nothing of the policy as a whole.

Old log-probs are those before the first update. Its own passes tell those of its samples; where the sampler gave all of
these the same, to rounding, the others' are those they were sampled with, or else a scoring pass tells them before the
update's step. Of samples that an earlier policy made they are always those they were sampled with.

Both averages are over the whole minibatch, whatever the micro-batch and the number of processes: accumulated gradients
equal those of one big batch. Every process knows all samples, so only gradients and sums have to be gathered.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vineppo.learner.averages import token_weights
from vineppo.learner.idle import without_idle_tail
from vineppo.learner.losses import k3, ppo_clip_loss
from vineppo.learner.minibatches import Counts, Part, Round
from vineppo.learner.optimizer import policy_optimizer
from vineppo.learner.parallel import accumulating, backward
from vineppo.learner.passes import Passes
from vineppo.learner.pooling import pooled
from vineppo.learner.reference import Reference
from vineppo.learner.scores import agree, score
from vineppo.learner.shares import shares
from vineppo.metrics import Metrics, mean_metrics
from vineppo.processes import ALONE, Processes
from vineppo.seams import Progress
from vineppo.settings.learner import Average, LearnerConfig, Ratio
from vineppo.types import Sample

SUMS = ("loss/policy", "entropy", "ratio/mean", "ratio/clipped", "sampler_kl", "kl")
"""What an update adds up over its forward passes."""


class Learner:
    """Holds the policy (a TokenLogprobs, perhaps parallel), the reference (None: no KL term) and the optimizer.

    `updates` is the number planned for the whole run: the schedule needs it. average: of the policy loss, and
    ratio: that is clipped, where the settings name none. limit: tokens of a response at most. passes: how samples go
    through the model.
    """

    def __init__(
        self,
        policy: nn.Module,
        reference: Reference | None,
        settings: LearnerConfig,
        *,
        updates: int,
        average: Average = "tokens",
        ratio: Ratio = "token",
        limit: int = 1,
        passes: Passes | None = None,
        processes: Processes = ALONE,
    ):
        self._average: Average = settings.average or average
        self._ratio: Ratio = settings.ratio or ratio
        self._limit = limit
        self._passes = passes or Passes(rows=settings.micro_batch)
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
        if self._settings.skips_idle(self._ratio):
            together = [without_idle_tail(sample) for sample in together]
        total = self._settings.epochs * -(-len(samples) // self._settings.minibatch)
        these = Round(
            samples=together,
            learning=learning,
            trajectories=len(samples),
            again=self._settings.epochs > 1,
            old=[torch.tensor(own.logprobs, device=self._device) if own.replayed else None for own in together],
            reference=self._reference(samples) if self._reference else None,
        )
        if any(these.old[i] is not None for i in next(these.minibatches(self._settings.minibatch, seed=seed, epoch=0))):
            self._score(these)
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
        counts = Counts(
            trajectories=len(these.own(chosen)),
            tokens=sum(len(these.samples[i].advantages) for i in these.own(chosen)),
            learning=max(1, sum(sum(these.samples[i].learning) for i in chosen)),
        )
        weights = dict(zip(chosen, self._weights(these, chosen), strict=True))
        sums, seen = torch.zeros(len(SUMS), device=self._device), list[tuple[int, Tensor]]()
        for share in shares(these.samples, chosen, passes=self._passes, processes=self._processes):
            part = these.part(share.indices, weights, device=self._device)
            with accumulating(self._policy, share):
                logprobs, entropies = self._policy(share.batch(these.samples, device=self._device))
                loss, measured = self._loss(part, logprobs, entropies, counts)
                backward(loss, share, self._processes)
            sums += share.weight * measured
            if share.weight and part.old is None:
                seen += zip(share.indices, logprobs.detach().split(part.lengths), strict=True)
        if these.old[chosen[0]] is None and (these.again or len(chosen) < len(these.samples)):
            self._remember(these, seen)
        metrics = self._processes.sum(dict(zip(SUMS, sums.tolist(), strict=True)))
        if these.reference is None:
            del metrics["kl"]
        veto = not metrics["ratio/mean"] <= self._settings.ratio_guard
        norm = self._optimizer.step(veto=veto)
        finite = {} if norm is None else {"grad_norm": norm}
        return {**metrics, **finite, "updates_skipped": float(veto), "updates_nonfinite": float(norm is None)}

    def _loss(
        self, part: Part, logprobs: Float[Tensor, " N"], entropies: Float[Tensor, " N"], counts: Counts
    ) -> tuple[Float[Tensor, ""], Float[Tensor, " S"]]:
        """What a pass adds to the minibatch's loss, and to `SUMS`."""
        clip = self._settings.clip
        old = logprobs.detach() if part.old is None else part.old
        log_ratios = pooled(logprobs - old, part.learning, part.lengths, self._ratio)
        policy_loss = (ppo_clip_loss(log_ratios, part.advantages, clip=clip) * part.weights).sum()
        kl = torch.zeros_like(policy_loss)
        if part.reference is not None:
            kl = (k3(logprobs[part.own], part.reference) * part.learning[part.own]).sum() / counts.trajectories
        with torch.no_grad():
            ratio = log_ratios.exp()
            measured = {
                "loss/policy": policy_loss,
                "entropy": entropies[part.own].sum() / counts.tokens,
                "ratio/mean": (ratio * part.learning).sum() / counts.learning,
                "ratio/clipped": (((ratio - 1).abs() > clip) & part.learning).sum() / counts.learning,
                "sampler_kl": (part.sampled - old[part.own]).sum() / counts.tokens,
                "kl": kl,
            }
        return policy_loss + self._settings.kl_coefficient * kl, torch.stack([measured[name] for name in SUMS])

    def _remember(self, these: Round, seen: Sequence[tuple[int, Tensor]]) -> None:
        """At the first update, before its step: the log-probs that its own passes told, and those of all others."""
        told = dict(self._processes.join([(i, own.cpu()) for i, own in seen]))
        for i, own in told.items():
            these.old[i] = own.to(self._device)
        if not agree(told, these.samples):
            return self._score(these)
        for i, sample in enumerate(these.samples):
            if these.old[i] is None:
                these.old[i] = torch.tensor(sample.logprobs, device=self._device)

    def _score(self, these: Round) -> None:
        """Old log-probs of all samples that have none, from passes of their own."""
        missing = [i for i, old in enumerate(these.old) if old is None]
        scores = score(
            self._policy, [these.samples[i] for i in missing], passes=self._passes, processes=self._processes
        )
        for i, own in zip(missing, scores, strict=True):
            these.old[i] = own

    def _weights(self, these: Round, chosen: Sequence[int]) -> list[float]:
        """Of each token of the chosen samples, in the minibatch's average."""
        learning, own = [these.learning[i] for i in chosen], [i < these.trajectories for i in chosen]
        return token_weights(learning, own, self._average, limit=self._limit)

    @property
    def _device(self) -> torch.device:
        return next(self._policy.parameters()).device
