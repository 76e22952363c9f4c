"""Which samples of a minibatch this process sends through the model, in which forward passes.

A minibatch is global, and so are all its means; each process takes every so-manieth of its samples, in order of length,
so that all have alike much to do. All make the same number of passes, because with sharded weights a pass is common
work: who has run out of samples repeats one with weight 0.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from vineppo.learner.minibatches import micro_batches
from vineppo.processes import ALONE, Processes
from vineppo.types import PromptAndResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """One forward pass of this process."""

    indices: list[int]
    weight: float
    """1, or 0 for a repetition."""
    last: bool
    """Of the minibatch: after its backward pass the gradients are complete."""


def shares(
    samples: Sequence[PromptAndResponse], chosen: Sequence[int], *, size: int, processes: Processes = ALONE
) -> Iterator[Share]:
    """This process's forward passes over the chosen samples, of at most `size` each."""
    [by_length] = micro_batches(samples, chosen, size=max(1, len(chosen))) or [[]]
    own = by_length[processes.rank :: processes.count]
    passes = -(-len(by_length[:: processes.count]) // size)  # the first process has the most
    for number in range(passes):
        indices = own[number * size : (number + 1) * size]
        yield Share(indices=indices or by_length[:1], weight=float(bool(indices)), last=number == passes - 1)


def per_sample(
    forward: Callable[[Sequence[PromptAndResponse]], Tensor],
    samples: Sequence[PromptAndResponse],
    *,
    size: int,
    processes: Processes = ALONE,
) -> list[Tensor]:
    """[T] per sample, of a function of some samples to one number per response token [N]; every process gets all."""
    own: list[tuple[int, Tensor]] = []
    for share in shares(samples, range(len(samples)), size=size, processes=processes):
        values = forward([samples[index] for index in share.indices])
        parts = values.split([samples[index].response_length for index in share.indices])
        if share.weight:
            own += [(index, part.cpu()) for index, part in zip(share.indices, parts, strict=True)]
    found = dict(processes.join(own))
    return [found[index] for index in range(len(samples))]
