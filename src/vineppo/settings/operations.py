"""How many operations a forward pass of the layers takes: of samples as they are, and of packs. Torch-free.

    token   2 a weight of the layers
    pair    4 L q: two tokens that meet in attention, in L layers of q numbers a query

    samples as they are, B at a time   B T (token + T pair)           T: the longest of the B
    a pack of n nodes                  n (token + (d + b) pair)       d: its depth, b: the nodes of a block of queries

What comes after the layers is the same for both. Backward passes take twice as much.
"""

from collections.abc import Sequence
from dataclasses import dataclass

SMALLEST_BLOCK = 64
"""Queries that meet their keys in one product: with fewer, the products are small, and keys are copied too often."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """Operations of a model's layers."""

    token: int
    pair: int

    def of_rows(self, lengths: Sequence[int], *, rows: int) -> int:
        """Samples of these lengths, alike ones together, `rows` in a pass."""
        ordered = sorted(lengths)
        batches = [ordered[start : start + rows] for start in range(0, len(ordered), rows)]
        return sum(len(batch) * batch[-1] * (self.token + batch[-1] * self.pair) for batch in batches)

    def of_pack(self, nodes: int, *, depth: int) -> int:
        """So many nodes."""
        block = block_size(nodes, depth)
        return nodes * self.token + -(-nodes // block) * block * (depth + block) * self.pair


def block_size(nodes: int, depth: int) -> int:
    """Queries in a block: half of the depth, so that neither what it meets beside its ancestors nor the copies of what
    several blocks meet are more than a few times what there is."""
    return min(nodes, max(SMALLEST_BLOCK, -(-depth // 2)))
