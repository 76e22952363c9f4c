"""Policy gradients, and their inner products, without holding them all.

    g = mean over the trajectories of one question, or of several, of sum_t A_t grad log pi(token t), and the same sum
        over the branches that left them

That is the gradient of the learner's PPO-clip loss (`learner/losses.py`) where the policy has not moved yet, with the
sign turned, summed over tokens: no normalisation and no division by lengths, so that every credit without bias
estimates the same vector. In float32, by the learner's own log-probs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vineppo.analysis.gradient_variance import Products
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.losses import ppo_clip_loss
from vineppo.learner.passes import Passes
from vineppo.learner.samples import to_branch_sample, to_sample
from vineppo.learner.shares import shares
from vineppo.seams import Progress
from vineppo.types import Credit, Scored

MEMORY = 2**30
"""Bytes of gradients held at once; where they do not fit, a sketch of each is."""
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

    def products(
        self, groups: Sequence[Group], reference: Float[Tensor, " d"], *, progress: Progress | None = None
    ) -> Products:
        """Of the groups' gradients with each other and with the reference, each gradient computed once."""
        sketch = Sketch(self.size, kept=MEMORY // (4 * len(groups)), device=self._parameters[0].device)
        total, squares, along, sketches = torch.zeros_like(reference), [], [], []
        for done, group in enumerate(groups, 1):
            gradient = self.of(group)
            squares.append(_inner(gradient, gradient))
            along.append(_inner(gradient, reference))
            sketches.append(sketch.of(gradient))
            total += gradient
            if progress is not None:
                progress(done, len(groups))
        sketched = sketch.of(total)  # linear: the sum of theirs
        return Products(
            squares=np.array(squares),
            with_sum=np.array([_inner(own, sketched) for own in sketches]),
            along=np.array(along),
            square=_inner(total, total),
            reference=_inner(reference, reference),
        )


class Sketch:
    """Vectors of `size` components in `kept`, with nearly the same inner products.

    Each component, under a random sign of its own, is added to one of the kept: a count sketch (Charikar, Chen and
    Farach-Colton 2002). An inner product <a, b> has no bias then and a standard error of at most about
    sqrt(2 / kept) |a| |b|.
    Where all can be kept it is exact.
    """

    def __init__(self, size: int, *, kept: int, device: torch.device):
        self._kept = min(size, kept)
        self._signs = None if kept >= size else self._draw(size).to(device)

    def of(self, vector: Float[Tensor, " d"]) -> Float[Tensor, " k"]:
        """The sketch of a vector."""
        if self._signs is None:
            return vector
        folded = vector.new_zeros(self._kept)
        for part, signs in zip(vector.split(self._kept), self._signs.split(self._kept), strict=True):
            folded[: len(part)] += part * signs
        return folded

    @staticmethod
    def _draw(size: int) -> Tensor:
        """The same for every source, so that they are compared alike."""
        return torch.randint(2, (size,), dtype=torch.int8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def _inner(one: Float[Tensor, " d"], other: Float[Tensor, " d"]) -> float:
    return float(torch.dot(one, other))
