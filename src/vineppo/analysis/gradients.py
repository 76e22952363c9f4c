"""Policy gradients, and their inner products, without holding them all.

    g = mean over the trajectories of one question, or of several, of sum_t A_t grad log pi(token t), and the same sum
        over the branches that left them

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

from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.losses import ppo_clip_loss
from vineppo.learner.passes import Passes
from vineppo.learner.samples import to_branch_sample, to_sample
from vineppo.learner.shares import shares
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
    """Gradients of one policy. `passes`: how many trajectories go through the model together."""

    def __init__(self, policy: TokenLogprobs, *, passes: Passes):
        self._policy = policy
        self._passes = passes
        self._parameters = [parameter for parameter in policy.parameters() if parameter.requires_grad]

    @property
    def size(self) -> int:
        """d"""
        return sum(parameter.numel() for parameter in self._parameters)

    def of(self, group: Group) -> Float[Tensor, " d"]:
        """g"""
        samples = [to_sample(scored, credit) for scored, credit in group]
        samples += [to_branch_sample(scored, branch) for scored, credit in group for branch in credit.branches]
        for parameter in self._parameters:
            parameter.grad = None
        for share in shares(samples, range(len(samples)), passes=self._passes):
            logprobs, _ = self._policy(share.batch(samples, device=self._parameters[0].device))
            advantages = logprobs.new_tensor([a for i in share.indices for a in samples[i].learned])
            loss = ppo_clip_loss(logprobs - logprobs.detach(), advantages, clip=ANY_CLIP).sum() / len(group)
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
