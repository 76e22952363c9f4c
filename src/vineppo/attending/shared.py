"""What sequences share with one another. Pure Python.

Sequences in lexicographic order are token trees in depth-first order: each adds the tokens that its predecessor does
not begin with.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

TokenIds = tuple[int, ...]


def in_order(sequences: Mapping[int, TokenIds]) -> list[int]:
    """Keys, in the lexicographic order of their sequences; of equal ones the smallest key first."""
    return sorted(sequences, key=lambda key: (sequences[key], key))


def shared_lengths(ordered: Sequence[TokenIds]) -> list[int]:
    """Of each sequence, how many tokens it begins with as the one before it does."""
    return [0, *(common_prefix(one, other) for one, other in pairwise(ordered))][: len(ordered)]


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """Tokens that both begin with. By halves: comparing slices is fast."""
    known, most = 0, min(len(one), len(other))
    while known < most:
        middle = (known + most + 1) // 2
        known, most = (middle, most) if one[known:middle] == other[known:middle] else (known, middle - 1)
    return known
