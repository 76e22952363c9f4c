"""Token prefixes that continue each other. Pure."""

from collections.abc import Sequence
from itertools import pairwise

from vineppo.attending.shared import TokenIds, shared_lengths


def maximal(prefixes: Sequence[TokenIds]) -> list[TokenIds]:
    """The prefixes that no other continues: prefilled once, they cover all the others."""
    ordered = sorted(set(prefixes))
    covered = {p for p, following in pairwise(ordered) if following[: len(p)] == p}
    return [p for p in ordered if p not in covered]


def forks(ordered: Sequence[TokenIds]) -> list[set[int]]:
    """Of sequences in lexicographic order, after how many tokens others leave each: after none, where some begin
    otherwise."""
    before, after = _minima(shared_lengths(ordered)), _minima(shared_lengths(ordered[::-1]))[::-1]
    return [{*one, *other} for one, other in zip(before, after, strict=True)]


def _minima(lengths: Sequence[int]) -> list[list[int]]:
    """At each place: the smallest of all lengths from anywhere up to there."""
    found, rising = list[list[int]](), list[int]()
    for length in lengths:
        rising = [other for other in rising if other < length] + [length]
        found.append(rising)
    return found
