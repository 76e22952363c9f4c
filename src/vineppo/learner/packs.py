"""Which samples make a pack: those that share prefixes, which then go through a model once. Pure Python.

Samples in lexicographic order are token trees in depth-first order: each adds the tokens that its predecessor does not
begin with. A pack is a run of samples in that order, so that what shares most is together; samples of different
questions share what their prompts have in common.
"""

from collections.abc import Sequence
from itertools import pairwise

from vineppo.types import PromptAndResponse


def cut(
    samples: Sequence[PromptAndResponse], chosen: Sequence[int], *, limit: int, multiple: int = 1
) -> list[list[int]]:
    """The chosen samples in packs of at most `limit` nodes, as few as their order allows up to a multiple, and as even.

    A sample that is longer than that has a pack of its own.
    """
    order = in_order(samples, chosen)
    lengths, shared = [len(samples[i].token_ids) for i in order], shared_lengths(samples, order)
    most = -(-len(_starts(lengths, shared, limit)) // multiple) * multiple
    low, high = 1, limit
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if len(_starts(lengths, shared, middle)) <= most else (middle + 1, high)
    starts = [*_starts(lengths, shared, high), len(order)]
    return [order[start:stop] for start, stop in pairwise(starts)]


def count_nodes(samples: Sequence[PromptAndResponse]) -> int:
    """Distinct prefixes of these samples, the empty one left out."""
    order = in_order(samples, range(len(samples)))
    return sum(len(sample.token_ids) for sample in samples) - sum(shared_lengths(samples, order))


def in_order(samples: Sequence[PromptAndResponse], chosen: Sequence[int]) -> list[int]:
    """Lexicographic; of equal samples the first one first."""
    return sorted(chosen, key=lambda index: (samples[index].token_ids, index))


def shared_lengths(samples: Sequence[PromptAndResponse], order: Sequence[int]) -> list[int]:
    """Of each sample, how many tokens it begins with as the one before it does."""
    ordered = [samples[index].token_ids for index in order]
    return [0, *(common_prefix(one, other) for one, other in pairwise(ordered))][: len(order)]


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """Tokens that both begin with. By halves: comparing slices is fast."""
    known, most = 0, min(len(one), len(other))
    while known < most:
        middle = (known + most + 1) // 2
        known, most = (middle, most) if one[known:middle] == other[known:middle] else (known, middle - 1)
    return known


def _starts(lengths: Sequence[int], shared: Sequence[int], limit: int) -> list[int]:
    """Where packs begin, each filled as far as it goes. What is shared with the pack before is computed again."""
    starts, nodes = [], limit
    for place, (length, common) in enumerate(zip(lengths, shared, strict=True)):
        nodes += length - common
        if nodes > limit:
            starts.append(place)
            nodes = length
    return starts
