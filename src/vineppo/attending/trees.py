"""Sequences as token trees, in which each distinct token stands once. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from vineppo.attending.shared import TokenIds, in_order, shared_lengths

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
    """Per sequence, as given: the nodes it is made of."""


def merge(sequences: Sequence[TokenIds]) -> Pack:
    """One pack of all sequences, each distinct prefix once."""
    order = in_order(dict(enumerate(sequences)))
    shared = shared_lengths([sequences[index] for index in order])
    paths: list[Int[np.ndarray, " _"]] = [np.zeros(0, np.int64)] * len(sequences)
    tokens, depths, ends = [], [], np.zeros(sum(map(len, sequences)), np.int64)
    path, total = np.zeros(0, np.int64), 0
    for index, common in zip(order, shared, strict=True):
        own = sequences[index][common:]
        ends[path[common:]] = total
        path = np.concatenate([path[:common], np.arange(total, total + len(own))])
        paths[index] = path
        tokens.append(np.array(own, np.int64))
        depths.append(np.arange(common, common + len(own)))
        total += len(own)
    ends[path] = total
    return Pack(token_ids=np.concatenate(tokens), depths=np.concatenate(depths), ends=ends[:total], paths=paths)
