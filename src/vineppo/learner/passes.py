"""How samples go through a model: as rows of their own, or in packs that compute what they share once.

Both give the same numbers up to rounding, so the one that takes fewer operations (`vineppo.settings.operations`) is
taken, for each minibatch anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.learner.packs import count_nodes, cut
from vineppo.settings.operations import Costs
from vineppo.types import PromptAndResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class Deal:
    """Which samples go through the model together, for each process."""

    packed: bool
    batches: Sequence[Sequence[list[int]]]
    """Of each process: its passes. The first one has the most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Passes:
    """What bounds a forward pass."""

    rows: int = 16
    """Samples, where each is a row of its own."""
    pack_tokens: int | None = None
    """Distinct tokens of a pack; None: as many as so many rows of the longest sample have."""
    costs: Costs | None = None
    """Of the model; None: nothing is packed."""

    def deal(self, samples: Sequence[PromptAndResponse], chosen: Sequence[int], *, count: int = 1) -> Deal:
        """The chosen samples among `count` processes. Rows are dealt in order of length, so that little is padding."""
        by_length = sorted(chosen, key=lambda index: (len(samples[index].token_ids), index))
        if packs := self._packs(samples, by_length, count):
            return Deal(packed=True, batches=[packs[rank::count] for rank in range(count)])
        own = [by_length[rank::count] for rank in range(count)]
        rows = [[mine[at : at + self.rows] for at in range(0, len(mine), self.rows)] for mine in own]
        return Deal(packed=False, batches=rows)

    def _packs(self, samples: Sequence[PromptAndResponse], by_length: Sequence[int], count: int) -> list[list[int]]:
        """Of all processes, the largest first; none where they would take more operations."""
        if self.costs is None or len(by_length) < 2:
            return []
        lengths = [len(samples[index].token_ids) for index in by_length]
        packs = cut(samples, by_length, limit=self.pack_tokens or self.rows * lengths[-1], multiple=count)
        sizes = [count_nodes([samples[index] for index in pack]) for pack in packs]
        depths = [max(len(samples[index].token_ids) for index in pack) for pack in packs]
        packed = sum(self.costs.of_pack(size, depth=depth) for size, depth in zip(sizes, depths, strict=True))
        if packed >= self.costs.of_rows(lengths, rows=self.rows):
            return []
        return [packs[place] for place in sorted(range(len(packs)), key=lambda place: -sizes[place])]
