"""Passes that make keys and values: what token sequences begin with alike is computed once, and what is known not at
all."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from vineppo.attending.interface import attending_by
from vineppo.attending.shared import shared_lengths
from vineppo.attending.tree_attention import NAME as TREES
from vineppo.attending.tree_attention import trees_of
from vineppo.attending.trees import Pack, merge
from vineppo.engines.prefixes import TokenIds
from vineppo.engines.torch.trie import Trie
from vineppo.engines.torch.trunks import Piece, Pieces, Trunk, first_of, length_of

PREFILL_TOKENS = 16_384
"""Most tokens, padding included, of one prefill pass: its activations must fit beside everything else."""

WORTH = 0.75
"""Sequences are prefilled as trees where their distinct tokens are fewer than this share of those of padded rows: trees
meet more keys."""


def prefill_missing(
    model: PreTrainedModel, trunks: Sequence[Trunk], trie: Trie, *, together: int = PREFILL_TOKENS
) -> None:
    """Compute the keys and values of those that have none yet, in passes of similar lengths of so many tokens, known
    ones included. Each pass finds what those before it remembered."""
    missing = sorted((trunk for trunk in trunks if trunk.pieces is None), key=lambda trunk: -len(trunk.tokens))
    while missing:
        some, begun = pass_of(missing, trie, together)
        missing = missing[len(some) :]
        made = prefill(model, [trunk.tokens for trunk in some], begun=begun, cuts=[trunk.cuts for trunk in some])
        for trunk, pieces in zip(some, made, strict=True):
            trunk.pieces = pieces
            trie.remember(trunk.tokens, pieces)


def pass_of(missing: Sequence[Trunk], trie: Trie, together: int) -> tuple[list[Trunk], list[Pieces]]:
    """The first ones that fit into a pass, at least one, and what is known of each."""
    some, begun, longest, known = list[Trunk](), list[Pieces](), 0, set[Piece]()
    for trunk in missing:
        beginning = trie.beginning(trunk.tokens)
        longest = max(longest, len(trunk.tokens) - length_of(beginning))
        known.update(piece for piece, _ in beginning)
        if some and (len(some) + 1) * longest + sum(piece.length for piece in known) > together:
            break
        some.append(trunk)
        begun.append(beginning)
    return some, begun


def prefill(
    model: PreTrainedModel,
    sequences: Sequence[TokenIds],
    *,
    begun: Sequence[Pieces] = (),
    cuts: Sequence[tuple[int, ...]] = (),
) -> list[Pieces]:
    """Keys and values of each sequence, in one forward pass of the backbone: of trees where they share enough, or where
    something is known of them.

    begun: what is known of each. cuts: after so many tokens of each a piece shall end.
    """
    padded = len(sequences) * max(map(len, sequences))
    nodes = sum(map(len, sequences)) - sum(shared_lengths(sorted(sequences)))
    if any(begun) or nodes < WORTH * padded:
        return prefill_trees(model, sequences, begun=begun, cuts=cuts)
    return prefill_rows(model, sequences, cuts=cuts)


@torch.inference_mode()
def prefill_trees(
    model: PreTrainedModel,
    sequences: Sequence[TokenIds],
    *,
    begun: Sequence[Pieces] = (),
    cuts: Sequence[tuple[int, ...]] = (),
) -> list[Pieces]:
    """What sequences share is computed once, and is one piece. See `prefill`."""
    pack = merge(sequences)
    known = Known.of(pack, begun or [()] * len(sequences))
    if known.all:
        return known.begun
    cache, fresh = known.cache(), ~known.nodes
    trees = trees_of(pack, known=known.nodes, device=model.device)
    with attending_by(model, TREES):
        model.base_model(
            input_ids=torch.from_numpy(pack.token_ids[fresh]).to(model.device)[None],
            position_ids=torch.from_numpy(pack.depths[fresh]).to(model.device)[None],
            past_key_values=cache,
            use_cache=True,
            trees=trees,
        )
    own = [path[length_of(pieces) :] for path, pieces in zip(pack.paths, known.begun, strict=True)]
    asked = [int(path[cut]) for path, some in zip(pack.paths, cuts or [()] * len(own), strict=True) for cut in some]
    columns = np.cumsum(fresh) - 1 + int(known.nodes.sum())
    made = {
        start: Piece(stack_planes([plane[0, :, columns[start] : columns[stop - 1] + 1] for plane in planes_of(cache)]))
        for start, stop in pairwise(piece_edges(own, asked))
        if fresh[start]
    }
    return [
        (*pieces, *((made[at], made[at].length) for at in path[np.isin(path, list(made))].tolist()))
        for pieces, path in zip(known.begun, own, strict=True)
    ]


def piece_edges(paths: Sequence[Int[np.ndarray, " _"]], more: Sequence[int] = ()) -> list[int]:
    """The nodes of a pack that a piece begins with or ends before: after forks, after ends of sequences, and `more`."""
    edges = set(more)
    for path in paths:
        if len(path):
            jumps = np.flatnonzero(np.diff(path) != 1)
            edges.update([int(path[0]), int(path[-1]) + 1], (path[jumps] + 1).tolist(), path[jumps + 1].tolist())
    return sorted(edges)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What is known of a pack's nodes before they go through the model."""

    nodes: Bool[np.ndarray, " L"]
    runs: Sequence[tuple[Piece, slice]]
    """Their keys and values, in the order of the nodes."""
    begun: list[Pieces]
    """Of each sequence: all that is known of it, through itself or another one."""

    @classmethod
    def of(cls, pack: Pack, begun: Sequence[Pieces]) -> "Known":
        """begun: what was found for each sequence."""
        pieces = list(dict.fromkeys(piece for some in begun for piece, _ in some))
        number = {piece: index for index, piece in enumerate(pieces)}
        owner, made_of, place = (np.full(len(pack.token_ids), -1) for _ in range(3))
        for index, (path, some) in enumerate(zip(pack.paths, begun, strict=True)):
            at = 0
            for piece, used in some:
                nodes = path[at : at + used]
                owner[nodes], made_of[nodes], place[nodes] = index, number[piece], np.arange(used)
                at += used
        nodes = np.flatnonzero(owner >= 0)
        breaks = np.flatnonzero((np.diff(made_of[nodes]) != 0) | (np.diff(place[nodes]) != 1)) + 1
        runs = [run for run in np.split(nodes, breaks) if len(run)]
        lengths = [int((owner[path] >= 0).sum()) for path in pack.paths]
        return cls(
            nodes=owner >= 0,
            runs=[(pieces[made_of[run[0]]], slice(place[run[0]], place[run[-1]] + 1)) for run in runs],
            begun=[
                tuple(first_of(begun[int(owner[path[length - 1]])], length)) if length else ()
                for path, length in zip(pack.paths, lengths, strict=True)
            ],
        )

    @property
    def all(self) -> bool:
        """Nothing is left to do."""
        return bool(self.nodes.all())

    def cache(self) -> Cache:
        """Of all that is known, to be continued."""
        if not self.runs:
            return DynamicCache()
        planes = [piece.planes[:, :, run] for piece, run in self.runs]
        return Cache(
            layers=[_Begun([p[i] for p in planes], [p[i + 1] for p in planes]) for i in range(0, len(planes[0]), 2)]
        )


class _Begun(DynamicLayer):
    """A layer that knows keys and values from before, in parts that are as large as the largest layer's."""

    def __init__(self, keys: list[Float[Tensor, "H _ D"]], values: list[Float[Tensor, "H _ D"]]):
        super().__init__()
        self._known = keys, values

    def update(self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object):
        """Those from before, then these. The signature is transformers'."""
        self.keys, self.values = (
            torch.cat([*(part[None, : new.shape[1], :, : new.shape[3]] for part in parts), new], dim=2)
            for parts, new in zip(self._known, (key_states, value_states), strict=True)
        )
        self.is_initialized = True
        return self.keys, self.values

    def get_seq_length(self) -> int:
        """Tokens that it knows."""
        return super().get_seq_length() if self.is_initialized else sum(part.shape[1] for part in self._known[0])


@torch.inference_mode()
def prefill_rows(
    model: PreTrainedModel, sequences: Sequence[TokenIds], *, cuts: Sequence[tuple[int, ...]] = ()
) -> list[Pieces]:
    """Right-padded; pieces of their own for each. See `prefill`."""
    lengths = [len(s) for s in sequences]
    token_ids = torch.zeros(len(sequences), max(lengths), dtype=torch.long)
    for row, sequence in enumerate(sequences):
        token_ids[row, : lengths[row]] = torch.tensor(sequence)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    cache = DynamicCache()
    model.base_model(
        input_ids=token_ids.to(model.device),
        attention_mask=mask.to(model.device),
        past_key_values=cache,
        use_cache=True,
    )
    # Copies, so that one long sequence does not hold the padding of all its neighbours.
    edges = [(0, *some, length) for some, length in zip(cuts or [()] * len(sequences), lengths, strict=True)]
    planes = planes_of(cache)
    return [
        tuple(
            (Piece(stack_planes([plane[row, :, start:stop] for plane in planes])), stop - start)
            for start, stop in pairwise(own)
        )
        for row, own in enumerate(edges)
    ]


def planes_of(cache: Cache) -> list[Float[Tensor, "B H T D"]]:
    """Keys and values by turns, layer after layer."""
    layers = [layer for layer in cache.layers if isinstance(layer, DynamicLayer)]
    return [plane for layer in layers for plane in (layer.keys, layer.values) if plane is not None]


def stack_planes(planes: Sequence[Tensor]) -> Float[Tensor, "S H T D"]:
    """Side by side, each in the corner of one as large as the largest: layers may differ in heads and their size."""
    heads, size = max(plane.shape[0] for plane in planes), max(plane.shape[2] for plane in planes)
    if any(plane.shape != planes[0].shape for plane in planes):
        planes = [nn.functional.pad(p, (0, size - p.shape[2], 0, 0, 0, heads - p.shape[0])) for p in planes]
    return torch.stack(list(planes))
