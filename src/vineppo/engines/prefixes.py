"""Token prefixes that continue each other. Pure."""

from collections.abc import Sequence
from itertools import pairwise

TokenIds = tuple[int, ...]


def maximal(prefixes: Sequence[TokenIds]) -> list[TokenIds]:
    """The prefixes that no other continues: prefilled once, they cover all the others."""
    ordered = sorted(set(prefixes))
    covered = {p for p, following in pairwise(ordered) if following[: len(p)] == p}
    return [p for p in ordered if p not in covered]
