"""Trunks: token sequences whose keys and values are held once. Every prefix is a state that rollouts start from.

Keys and values lie in pieces, which make a trie of token ids: trunks that are prefilled together have the piece of
what they begin with in common, and a trajectory that is kept has those of its prompt, and one of its own.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from vineppo.attending.interface import attending_by
from vineppo.attending.shared import shared_lengths
from vineppo.attending.tree_attention import NAME as TREES
from vineppo.attending.tree_attention import trees_of
from vineppo.attending.trees import merge
from vineppo.engines.prefixes import TokenIds, maximal

PREFILL_TOKENS = 16_384
"""Most tokens, padding included, of one prefill pass: its activations must fit beside everything else."""


WORTH = 0.75
"""Sequences are prefilled as trees where their distinct tokens are fewer than this share of those of padded rows: trees
meet more keys."""


@dataclass(eq=False, frozen=True, slots=True)
class Piece:
    """Keys and values of tokens in a row."""

    planes: Float[Tensor, "S H T D"]
    """Of S = 2 x layers."""

    @property
    def length(self) -> int:
        """T"""
        return self.planes.shape[2]


Pieces = tuple[tuple[Piece, int], ...]
"""One after the other, and how many of its first tokens are meant."""


class Trunk:
    """A token sequence and, once they are needed, its keys and values."""

    def __init__(self, tokens: TokenIds, pieces: Pieces | None = None):
        self.tokens = tokens
        self.pieces = pieces


def present(trunk: Trunk) -> Pieces:
    """The keys and values of a trunk that has them."""
    assert trunk.pieces is not None, "trunks are prefilled before their rows decode"
    return trunk.pieces


def planes_like(trunk: Trunk) -> Float[Tensor, "S H T D"]:
    """Some of its keys and values, to make more of the kind."""
    return present(trunk)[0][0].planes


def copy_into(planes: Float[Tensor, "S H T D"], trunk: Trunk) -> None:
    """The keys and values of all its tokens, from the first column on."""
    at = 0
    for piece, used in present(trunk):
        planes[:, :, at : at + used] = piece.planes[:, :, :used]
        at += used


def first_of(pieces: Pieces, length: int) -> Iterator[tuple[Piece, int]]:
    """Those of the first so many tokens."""
    for piece, used in pieces:
        if length > 0:
            yield piece, min(used, length)
        length -= used


class Trunks:
    """Kept trajectories, found by prefix: the keys and values of at most `max_tokens` tokens. What several begin with
    counts once.

    What no longer fits is not kept, rather than something else forgotten for it: rollouts follow of each trajectory of
    an iteration alike, and all go with the next weights.
    """

    def __init__(self, *, max_tokens: int):
        self._trunks: dict[TokenIds, Trunk] = {}
        self._ordered: list[TokenIds] = []
        self._pieces: set[Piece] = set()
        self.max_tokens = max_tokens
        self.tokens = 0

    def add(self, tokens: TokenIds, begun: Pieces, own: Callable[[], Float[Tensor, "S H T D"]]) -> None:
        """Keep a trunk if it is new and fits. begun: pieces that it has in common with what it left; `own` copies the
        keys and values of its other tokens."""
        rest = len(tokens) - sum(used for _, used in begun)
        more = rest + sum(piece.length for piece, _ in begun if piece not in self._pieces)
        if tokens in self._trunks or self.tokens + more > self.max_tokens:
            return
        pieces = (*begun, (Piece(own()), rest)) if rest else begun
        insort(self._ordered, tokens)
        self._trunks[tokens] = Trunk(tokens, pieces)
        self._pieces.update(piece for piece, _ in pieces)
        self.tokens += more

    def covering(self, prefix: TokenIds) -> Trunk | None:
        """A trunk that starts with `prefix`, or None.

        In lexicographic order, such a trunk is the first one not before the prefix.
        """
        place = bisect_left(self._ordered, prefix)
        if place == len(self._ordered) or self._ordered[place][: len(prefix)] != prefix:
            return None
        return self._trunks[self._ordered[place]]

    def holds(self, trunk: Trunk) -> bool:
        """Whether it is one of these."""
        return self._trunks.get(trunk.tokens) is trunk

    def has(self, piece: Piece) -> bool:
        """Whether one of these has it."""
        return piece in self._pieces

    def clear(self) -> None:
        """Forget everything: the weights changed."""
        self._pieces.clear()
        self._trunks.clear()
        self._ordered.clear()
        self.tokens = 0

    def __len__(self) -> int:
        return len(self._ordered)


def find_trunks(prefixes: Sequence[TokenIds], kept: Trunks) -> dict[TokenIds, Trunk]:
    """The trunk of each prefix: a kept trajectory, or the longest of these prefixes that continues it."""
    found = {prefix: kept.covering(prefix) for prefix in prefixes}
    fresh = [Trunk(tokens) for tokens in maximal([prefix for prefix, trunk in found.items() if trunk is None])]
    ordered = [trunk.tokens for trunk in fresh]
    return {
        prefix: trunk if trunk is not None else fresh[bisect_left(ordered, prefix)] for prefix, trunk in found.items()
    }


def prefill_missing(model: PreTrainedModel, trunks: Sequence[Trunk], *, together: int = PREFILL_TOKENS) -> None:
    """Compute the keys and values of those that have none yet, in passes of similar lengths of so many tokens."""
    missing = sorted((trunk for trunk in trunks if trunk.pieces is None), key=lambda trunk: -len(trunk.tokens))
    while missing:
        several = max(1, together // len(missing[0].tokens))
        some, missing = missing[:several], missing[several:]
        for trunk, pieces in zip(some, prefill(model, [trunk.tokens for trunk in some]), strict=True):
            trunk.pieces = pieces


def prefill(model: PreTrainedModel, sequences: Sequence[TokenIds]) -> list[Pieces]:
    """Keys and values of each sequence, in one forward pass of the backbone: of trees where they share enough."""
    padded = len(sequences) * max(map(len, sequences))
    nodes = sum(map(len, sequences)) - sum(shared_lengths(sorted(sequences)))
    return prefill_trees(model, sequences) if nodes < WORTH * padded else prefill_rows(model, sequences)


@torch.inference_mode()
def prefill_trees(model: PreTrainedModel, sequences: Sequence[TokenIds]) -> list[Pieces]:
    """What sequences share is computed once, and is one piece."""
    pack, cache = merge(sequences), DynamicCache()
    trees = trees_of(pack, device=model.device)
    with attending_by(model, TREES):
        model.base_model(
            input_ids=torch.from_numpy(pack.token_ids).to(model.device)[None],
            position_ids=trees.depths[None],
            past_key_values=cache,
            use_cache=True,
            trees=trees,
        )
    starts = piece_starts([path for path in pack.paths if len(path)])
    made = {
        start: Piece(stack_planes([plane[0, :, start:stop] for plane in planes_of(cache)]))
        for start, stop in pairwise([*starts, len(pack.token_ids)])
    }
    return [tuple((made[at], made[at].length) for at in path[np.isin(path, starts)].tolist()) for path in pack.paths]


def piece_starts(paths: Sequence[Int[np.ndarray, " _"]]) -> list[int]:
    """The nodes of a pack at which a piece begins: after a fork, and after the end of a sequence."""
    cuts = set[int]()
    for path in paths:
        jumps = np.flatnonzero(np.diff(path) != 1)
        cuts.update([int(path[0]), int(path[-1]) + 1], (path[jumps] + 1).tolist(), path[jumps + 1].tolist())
    return sorted(cuts)[:-1]


@torch.inference_mode()
def prefill_rows(model: PreTrainedModel, sequences: Sequence[TokenIds]) -> list[Pieces]:
    """Right-padded; a piece each."""
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
    made = [stack_planes([plane[row, :, :length] for plane in planes_of(cache)]) for row, length in enumerate(lengths)]
    return [((Piece(planes), planes.shape[2]),) for planes in made]


def planes_of(cache: DynamicCache) -> list[Float[Tensor, "B H T D"]]:
    """Keys and values by turns, layer after layer."""
    layers = [layer for layer in cache.layers if isinstance(layer, DynamicLayer)]
    return [plane for layer in layers for plane in (layer.keys, layer.values) if plane is not None]


def stack_planes(planes: Sequence[Tensor]) -> Float[Tensor, "S H T D"]:
    """Side by side, each in the corner of one as large as the largest: layers may differ in heads and their size."""
    heads, size = max(plane.shape[0] for plane in planes), max(plane.shape[2] for plane in planes)
    if any(plane.shape != planes[0].shape for plane in planes):
        planes = [nn.functional.pad(p, (0, size - p.shape[2], 0, 0, 0, heads - p.shape[0])) for p in planes]
    return torch.stack(list(planes))
