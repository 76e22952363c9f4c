"""Which samples make an update, and which of them go through the model together."""

from collections.abc import Iterator, Sequence

import numpy as np

from vineppo.rng import derive_seed
from vineppo.types import PromptAndResponse


def minibatches(num_samples: int, *, size: int, seed: int, epoch: int) -> Iterator[list[int]]:
    """Indices of each update's samples: every sample once an epoch, in an order that depends on (seed, epoch) alone."""
    order = np.random.default_rng(derive_seed(seed, "minibatches", epoch)).permutation(num_samples)
    for start in range(0, num_samples, size):
        yield order[start : start + size].tolist()


def micro_batches(samples: Sequence[PromptAndResponse], chosen: Sequence[int], *, size: int) -> list[list[int]]:
    """The chosen samples in forward passes of at most `size`, alike in length so that little is padding."""
    by_length = sorted(chosen, key=lambda index: (len(samples[index].token_ids), index))
    return [by_length[start : start + size] for start in range(0, len(by_length), size)]
