"""Which samples make an update, and which of them go through the model together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from jaxtyping import Float
from torch import Tensor

from vineppo.rng import derive_seed
from vineppo.types import PromptAndResponse, Sample


def minibatches(num_samples: int, *, size: int, seed: int, epoch: int) -> Iterator[list[int]]:
    """Indices of each update's samples: every sample once an epoch, in an order that depends on (seed, epoch) alone."""
    order = np.random.default_rng(derive_seed(seed, "minibatches", epoch)).permutation(num_samples)
    for start in range(0, num_samples, size):
        yield order[start : start + size].tolist()


def micro_batches(samples: Sequence[PromptAndResponse], chosen: Sequence[int], *, size: int) -> list[list[int]]:
    """The chosen samples in forward passes of at most `size`, alike in length so that little is padding."""
    by_length = sorted(chosen, key=lambda index: (len(samples[index].token_ids), index))
    return [by_length[start : start + size] for start in range(0, len(by_length), size)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """What the updates of an iteration share."""

    samples: Sequence[Sample]
    """Trajectories, then branches: what goes through the model."""
    learning: Sequence[int]
    """Per sample, how many tokens the loss is a mean over: those of an idle tail, too."""
    trajectories: int
    """How many of them."""
    old: Sequence[Float[Tensor, " _"]] | None
    """Per sample, log-probs under the policy before the first update; None: there is only one."""
    reference: Sequence[Float[Tensor, " _"]] | None
    """Per trajectory, log-probs under the starting policy."""

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
