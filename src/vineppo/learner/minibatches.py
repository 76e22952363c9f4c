"""Which samples make an update, and what its loss is made of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vineppo.rng import derive_seed
from vineppo.types import Sample


def minibatches(num_samples: int, *, size: int, seed: int, epoch: int) -> Iterator[list[int]]:
    """Indices of each update's samples: every sample once an epoch, in an order that depends on (seed, epoch) alone."""
    order = np.random.default_rng(derive_seed(seed, "minibatches", epoch)).permutation(num_samples)
    for start in range(0, num_samples, size):
        yield order[start : start + size].tolist()


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """What the means of a minibatch are over."""

    trajectories: int
    tokens: int
    """Of the trajectories."""
    learning: int
    """Tokens that learn, those of branches too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The N response tokens of one pass, M of them of trajectories."""

    lengths: Sequence[int]
    """Of the responses."""
    advantages: Float[Tensor, " N"]
    """0 where the policy does not learn."""
    learning: Bool[Tensor, " N"]
    """Whether it does, or would if the advantage were not 0."""
    weights: Float[Tensor, " N"]
    """In the minibatch's average."""
    own: Bool[Tensor, " N"]
    """Whether it is a trajectory's, and not a branch's."""
    sampled: Float[Tensor, " M"]
    """Log-probs under the sampling law."""
    old: Float[Tensor, " N"] | None
    """Log-probs before the first update; None: those of this pass."""
    reference: Float[Tensor, " M"] | None
    """Log-probs under the starting policy; None: no KL."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """What the updates of an iteration share."""

    samples: Sequence[Sample]
    """Trajectories, then branches: what goes through the model."""
    learning: Sequence[int]
    """Per sample, how many tokens the loss is a mean over: those of an idle tail, too."""
    trajectories: int
    """How many of them."""
    again: bool = False
    """Whether the samples come again in a later epoch."""
    old: list[Float[Tensor, " _"] | None]
    """Per sample, log-probs under the policy before the first update. None: its own pass in that update tells them."""
    reference: Sequence[Float[Tensor, " _"]] | None
    """Per trajectory, log-probs under the starting policy."""

    def part(self, indices: Sequence[int], weights: Mapping[int, float], *, device: torch.device) -> "Part":
        """What the loss of a pass over these samples is made of."""
        own, old = self.own(indices), [self.old[i] for i in indices]
        advantages = [self.samples[i].learned for i in indices]
        lengths = [len(some) for some in advantages]
        scored = [some for some in old if some is not None]
        return Part(
            lengths=lengths,
            advantages=torch.tensor(list(chain.from_iterable(advantages)), device=device),
            learning=torch.tensor([learns for i in indices for learns in self.samples[i].learning], device=device),
            weights=torch.tensor([weights[i] for i in indices]).repeat_interleave(torch.tensor(lengths)).to(device),
            own=torch.tensor(self.measured(indices), device=device),
            sampled=torch.tensor(list(chain.from_iterable(self.samples[i].logprobs for i in own)), device=device),
            old=torch.cat(scored) if len(scored) == len(old) else None,
            reference=torch.cat([self.reference[i] for i in own]) if self.reference is not None and own else None,
        )

    def own(self, indices: Sequence[int]) -> list[int]:
        """Those of the given samples that are trajectories."""
        return [i for i in indices if i < self.trajectories]

    def measured(self, indices: Sequence[int]) -> list[bool]:
        """[N] whether each token of the given samples is a trajectory's."""
        return [i < self.trajectories for i in indices for _ in self.samples[i].advantages]

    def minibatches(self, size: int, *, seed: int, epoch: int) -> Iterator[list[int]]:
        """`size` trajectories each, and an equal part of the branches."""
        num_branches = len(self.samples) - self.trajectories
        several = -(-self.trajectories // size)
        own = minibatches(self.trajectories, size=size, seed=seed, epoch=epoch)
        share = max(1, -(-num_branches // several))
        others = minibatches(num_branches, size=share, seed=derive_seed(seed, "branches"), epoch=epoch)
        for trajectories, branches in zip_longest(own, others, fillvalue=[]):
            yield [*trajectories, *(self.trajectories + i for i in branches)]
