"""Policy gradients, and their inner products, without holding them all.

    g = mean over the trajectories of one question, or of several, of sum_t A_t grad log pi(token t)

That is the gradient of the learner's PPO-clip loss (`learner/losses.py`) where the policy has not moved yet, with the
sign turned, summed over tokens: no normalisation and no division by lengths, so that every credit without bias
estimates the same vector. In float32, by the learner's own log-probs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vineppo.learner.batch import collate
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.losses import ppo_clip_loss
from vineppo.learner.minibatches import micro_batches
from vineppo.seams import Progress
from vineppo.types import Credit, Scored

MEMORY = 2**30
"""Bytes of gradients held at once; what does not fit is computed again."""
ANY_CLIP = 0.2
"""At ratio 1 no clipping is active, whatever the range."""

Group = Sequence[tuple[Scored, Credit]]
"""Credited trajectories, of one question or of several."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanGradient:
    """The mean over many groups, and how certain it is."""

    vector: Float[Tensor, " d"]
    variance: float
    """Of the mean, summed over its d components."""


class PolicyGradients:
    """Gradients of one policy. `micro_batch` trajectories go through the model together."""

    def __init__(self, policy: TokenLogprobs, *, micro_batch: int):
        self._policy = policy
        self._micro_batch = micro_batch
        self._parameters = [parameter for parameter in policy.parameters() if parameter.requires_grad]

    @property
    def size(self) -> int:
        """d"""
        return sum(parameter.numel() for parameter in self._parameters)

    def of(self, group: Group) -> Float[Tensor, " d"]:
        """g"""
        samples = [scored.trajectory.tokens for scored, _ in group]
        for parameter in self._parameters:
            parameter.grad = None
        for micro in micro_batches(samples, range(len(samples)), size=self._micro_batch):
            batch = collate([samples[i] for i in micro], device=self._parameters[0].device)
            logprobs, _ = self._policy(batch.token_ids, batch.attention_mask, batch.rows, batch.columns)
            advantages = logprobs.new_tensor([a for i in micro for a in learned_advantages(group[i][1])])
            loss = ppo_clip_loss(logprobs, logprobs.detach(), advantages, clip=ANY_CLIP).sum() / len(group)
            loss.backward()
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters]
        for parameter in self._parameters:
            parameter.grad = None
        return -torch.cat([part.flatten() for part in parts])

    def mean(self, groups: Sequence[Group], *, progress: Progress | None = None) -> MeanGradient:
        """Over at least two groups of equal size, one after the other: three vectors in memory."""
        total, squares = torch.zeros(self.size, device=self._parameters[0].device), 0.0
        for done, group in enumerate(groups, 1):
            gradient = self.of(group)
            squares += _inner(gradient, gradient)
            total += gradient
            if progress is not None:
                progress(done, len(groups))
        count = len(groups)
        mean = total / count
        return MeanGradient(vector=mean, variance=(squares / count - _inner(mean, mean)) / (count - 1))

    def inner_products(self, groups: Sequence[Group], reference: Float[Tensor, " d"]) -> Float[np.ndarray, "m m"]:
        """Of the groups' gradients with each other and, in the last row and column, with the reference."""
        held = max(1, MEMORY // (4 * self.size))
        return gram_matrix(lambda index: self.of(groups[index]), len(groups), reference, held=held)


def learned_advantages(credit: Credit) -> tuple[float, ...]:
    """[T] with 0 where the policy does not learn."""
    if credit.mask is None:
        return credit.advantages
    return tuple(a if learns else 0.0 for a, learns in zip(credit.advantages, credit.mask, strict=True))


def gram_matrix(
    vector: Callable[[int], Float[Tensor, " d"]], count: int, last: Float[Tensor, " d"], *, held: int
) -> Float[np.ndarray, "m m"]:
    """[count + 1, count + 1] inner products of vectors that are made on demand, `held` of them in memory at once."""
    gram = np.zeros((count + 1, count + 1))
    gram[count, count] = _inner(last, last)
    for start in range(0, count, held):
        block = {i: vector(i) for i in range(start, min(start + held, count))}
        for i, own in block.items():
            gram[i, count] = gram[count, i] = _inner(own, last)
            for j in range(start, i + 1):
                gram[i, j] = gram[j, i] = _inner(own, block[j])
        for j in range(start + held, count):
            other = vector(j)
            for i, own in block.items():
                gram[i, j] = gram[j, i] = _inner(own, other)
    return gram


def _inner(one: Float[Tensor, " d"], other: Float[Tensor, " d"]) -> float:
    return float(torch.dot(one, other))
