"""Which samples of a minibatch this process sends through the model, in which forward passes.

A minibatch is global, and so are all its means; each process takes a share of its samples, so that all have alike much
to do. All make the same number of passes, because with sharded weights a pass is common work: who has run out of
samples repeats one with weight 0.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vineppo.learner.batch import Batch, collate, collate_trees
from vineppo.learner.passes import Passes
from vineppo.processes import ALONE, Processes
from vineppo.types import PromptAndResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """One forward pass of this process."""

    indices: list[int]
    packed: bool
    weight: float
    """1, or 0 for a repetition."""
    last: bool
    """Of the minibatch: after its backward pass the gradients are complete."""

    def batch(self, samples: Sequence[PromptAndResponse], *, device: torch.device | str = "cpu") -> Batch:
        """What goes through the model."""
        own = [samples[index] for index in self.indices]
        return collate_trees(own, device=device) if self.packed else collate(own, device=device)


def shares(
    samples: Sequence[PromptAndResponse], chosen: Sequence[int], *, passes: Passes, processes: Processes = ALONE
) -> Iterator[Share]:
    """This process's forward passes over the chosen samples."""
    dealt = passes.deal(samples, chosen, count=processes.count)
    own, most = dealt.batches[processes.rank], dealt.batches[0]
    for number in range(len(most)):
        mine = number < len(own)
        yield Share(
            indices=own[number] if mine else most[0][:1],
            packed=dealt.packed,
            weight=float(mine),
            last=number == len(most) - 1,
        )


def per_sample(
    forward: Callable[[Batch], Tensor],
    samples: Sequence[PromptAndResponse],
    *,
    passes: Passes,
    processes: Processes = ALONE,
    device: torch.device | str = "cpu",
) -> list[Tensor]:
    """[T] per sample, of a function of a batch to one number per response token [N]; every process gets all."""
    own: list[tuple[int, Tensor]] = []
    for share in shares(samples, range(len(samples)), passes=passes, processes=processes):
        values = forward(share.batch(samples, device=device))
        parts = values.split([samples[index].response_length for index in share.indices])
        if share.weight:
            own += [(index, part.cpu()) for index, part in zip(share.indices, parts, strict=True)]
    found = dict(processes.join(own))
    return [found[index] for index in range(len(samples))]
