"""Which samples make a pack: those that share prefixes, which then go through a model once. Pure Python.

A pack is a run of samples in lexicographic order, so that what shares most is together; samples of different questions
share what their prompts have in common.
"""

from collections.abc import Sequence
from itertools import pairwise

from vineppo.attending.shared import in_order, shared_lengths
from vineppo.types import PromptAndResponse


def cut(
    samples: Sequence[PromptAndResponse], chosen: Sequence[int], *, limit: int, multiple: int = 1
) -> list[list[int]]:
    """The chosen samples in packs of at most `limit` nodes, as few as their order allows up to a multiple, and as even.

    A sample that is longer than that has a pack of its own.
    """
    sequences = {index: samples[index].token_ids for index in chosen}
    order = in_order(sequences)
    lengths, shared = [len(sequences[index]) for index in order], shared_lengths([sequences[index] for index in order])
    most = -(-len(_starts(lengths, shared, limit)) // multiple) * multiple
    low, high = 1, limit
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if len(_starts(lengths, shared, middle)) <= most else (middle + 1, high)
    starts = [*_starts(lengths, shared, high), len(order)]
    return [order[start:stop] for start, stop in pairwise(starts)]


def count_nodes(samples: Sequence[PromptAndResponse]) -> int:
    """Distinct prefixes of these samples, the empty one left out."""
    ordered = sorted(sample.token_ids for sample in samples)
    return sum(map(len, ordered)) - sum(shared_lengths(ordered))


def _starts(lengths: Sequence[int], shared: Sequence[int], limit: int) -> list[int]:
    """Where packs begin, each filled as far as it goes. What is shared with the pack before is computed again."""
    starts, nodes = [], limit
    for place, (length, common) in enumerate(zip(lengths, shared, strict=True)):
        nodes += length - common
        if nodes > limit:
            starts.append(place)
            nodes = length
    return starts
