"""Samples merged into token trees, so that what they share goes through a model once. Pure, and knows no model.

Samples in lexicographic order are the trees in depth-first order: each adds the tokens that its predecessor does not
begin with, and the tokens below a node are one stretch after it. A pack is a run of samples in that order; samples of
different questions share what their prompts have in common, and have trees of their own where that is nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Int

from vineppo.types import PromptAndResponse

Nodes = Int[np.ndarray, " L"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pack:
    """Token trees of L nodes, parents before children."""

    token_ids: Nodes
    depths: Nodes
    """Tokens before a node on its way from the root: its position."""
    ends: Nodes
    """One past its last descendant: a node's ancestors are those before it that end after it."""
    paths: Sequence[Int[np.ndarray, " _"]]
    """Per sample, as given: the nodes it is made of."""


def merge(samples: Sequence[PromptAndResponse]) -> Pack:
    """One pack of all samples, each distinct prefix once."""
    order = in_order(samples, range(len(samples)))
    shared = shared_lengths(samples, order)
    paths: list[Int[np.ndarray, " _"]] = [np.zeros(0, np.int64)] * len(samples)
    tokens, depths, ends = [], [], np.zeros(sum(len(s.token_ids) for s in samples), np.int64)
    path, total = np.zeros(0, np.int64), 0
    for index, common in zip(order, shared, strict=True):
        own = samples[index].token_ids[common:]
        ends[path[common:]] = total
        path = np.concatenate([path[:common], np.arange(total, total + len(own))])
        paths[index] = path
        tokens.append(np.array(own, np.int64))
        depths.append(np.arange(common, common + len(own)))
        total += len(own)
    ends[path] = total
    return Pack(token_ids=np.concatenate(tokens), depths=np.concatenate(depths), ends=ends[:total], paths=paths)


def cut(
    samples: Sequence[PromptAndResponse], chosen: Sequence[int], *, limit: int, multiple: int = 1
) -> list[list[int]]:
    """The chosen samples in packs of at most `limit` nodes, as few as their order allows up to a multiple, and as even.

    A sample that is longer than that has a pack of its own.
    """
    order = in_order(samples, chosen)
    lengths, shared = [len(samples[i].token_ids) for i in order], shared_lengths(samples, order)
    most = -(-len(_starts(lengths, shared, limit)) // multiple) * multiple
    low, high = 1, max([limit, *lengths])
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
    arrays = [np.array(samples[index].token_ids, np.int64) for index in order]
    return [0, *(common_prefix(one, other) for one, other in pairwise(arrays))][: len(order)]


def common_prefix(one: Int[np.ndarray, " S"], other: Int[np.ndarray, " T"]) -> int:
    """Tokens that both begin with."""
    length = min(len(one), len(other))
    differ = one[:length] != other[:length]
    return int(differ.argmax()) if differ.any() else length


def _starts(lengths: Sequence[int], shared: Sequence[int], limit: int) -> list[int]:
    """Where packs begin, each filled as far as it goes. What is shared with the pack before is computed again."""
    starts, nodes = [], limit
    for place, (length, common) in enumerate(zip(lengths, shared, strict=True)):
        nodes += length - common
        if nodes > limit:
            starts.append(place)
            nodes = length
    return starts
