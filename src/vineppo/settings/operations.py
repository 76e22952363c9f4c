"""How many operations a forward pass of the layers takes: of samples as they are, and of packs. Torch-free.

    token   2 a weight of the layers
    pair    4 L q: two tokens that meet in attention, in L layers of q numbers a query

    samples as they are, B at a time   B T (token + T pair) + L ROWS_OWN         T: the longest of the B
    a pack of n nodes                  n (token + (d + b) pair) + L PACK_OWN     d: its depth, b: the nodes of a block
                                                                                 of queries

What comes after the layers is the same for both. Backward passes take twice as much. ROWS_OWN and PACK_OWN are what a
layer takes whatever goes through it (calls, masks, trees), as the operations that a CPU core does meanwhile: both ways
run at the same rate beyond, and where packs are hardly smaller than rows these decide. Measured on the bundled policies
(benchmarks/RESULTS.md, "The update"); larger models do not notice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

SMALLEST_BLOCK = 64
"""Queries that meet their keys in one product: with fewer, the products are small, and keys are copied too often."""
ROWS_OWN, PACK_OWN = 24_000_000, 32_000_000
"""Operations' worth of a layer's own time in a pass."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """Operations of a model's layers."""

    token: int
    pair: int
    layers: int

    def of_rows(self, lengths: Sequence[int], *, rows: int) -> int:
        """Samples of these lengths, alike ones together, `rows` in a pass."""
        ordered = sorted(lengths)
        batches = [ordered[start : start + rows] for start in range(0, len(ordered), rows)]
        own = self.layers * ROWS_OWN
        return sum(len(batch) * batch[-1] * (self.token + batch[-1] * self.pair) + own for batch in batches)

    def of_pack(self, nodes: int, *, depth: int) -> int:
        """So many nodes."""
        block = block_size(nodes, depth)
        met = -(-nodes // block) * block * (depth + block)
        return nodes * self.token + met * self.pair + self.layers * PACK_OWN


def block_size(nodes: int, depth: int) -> int:
    """Queries in a block: half of the depth, so that neither what it meets beside its ancestors nor the copies of what
    several blocks meet are more than a few times what there is."""
    return min(nodes, max(SMALLEST_BLOCK, -(-depth // 2)))
