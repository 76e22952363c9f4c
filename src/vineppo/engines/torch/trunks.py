"""Trunks: token sequences whose keys and values are held once. Every prefix is a state that rollouts start from."""

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
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


class Trunk:
    """A token sequence and, once they are needed, its keys and values: S = 2 x layers planes."""

    def __init__(self, tokens: TokenIds, keys_values: Float[Tensor, "S H T D"] | None = None):
        self.tokens = tokens
        self.keys_values = keys_values


def present(trunk: Trunk) -> Float[Tensor, "S H T D"]:
    """The keys and values of a trunk that has them."""
    assert trunk.keys_values is not None, "trunks are prefilled before their rows decode"
    return trunk.keys_values


class Trunks:
    """Kept trajectories, found by prefix: the keys and values of at most `max_tokens` tokens."""

    def __init__(self, *, max_tokens: int):
        self._trunks: dict[TokenIds, Trunk] = {}
        self._ordered: list[TokenIds] = []
        self.max_tokens = max_tokens
        self.tokens = 0

    def add(self, tokens: TokenIds, copy: Callable[[], Float[Tensor, "S H T D"]]) -> None:
        """Keep a trunk if it is new and fits. `copy` makes its keys and values."""
        if tokens in self._trunks or self.tokens + len(tokens) > self.max_tokens:
            return
        insort(self._ordered, tokens)
        self._trunks[tokens] = Trunk(tokens, copy())
        self.tokens += len(tokens)

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

    def clear(self) -> None:
        """Forget everything: the weights changed."""
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
    missing = sorted((trunk for trunk in trunks if trunk.keys_values is None), key=lambda trunk: -len(trunk.tokens))
    while missing:
        several = max(1, together // len(missing[0].tokens))
        some, missing = missing[:several], missing[several:]
        for trunk, keys_values in zip(some, prefill(model, [trunk.tokens for trunk in some]), strict=True):
            trunk.keys_values = keys_values


def prefill(model: PreTrainedModel, sequences: Sequence[TokenIds]) -> list[Float[Tensor, "S H T D"]]:
    """Keys and values of each sequence, in one forward pass of the backbone: of trees where they share enough."""
    padded = len(sequences) * max(map(len, sequences))
    nodes = sum(map(len, sequences)) - sum(shared_lengths(sorted(sequences)))
    return prefill_trees(model, sequences) if nodes < WORTH * padded else prefill_rows(model, sequences)


@torch.inference_mode()
def prefill_trees(model: PreTrainedModel, sequences: Sequence[TokenIds]) -> list[Float[Tensor, "S H T D"]]:
    """What sequences share is computed once."""
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
    paths = [torch.from_numpy(path).to(model.device) for path in pack.paths]
    return [stack_planes([plane[0].index_select(1, path) for plane in planes_of(cache)]) for path in paths]


@torch.inference_mode()
def prefill_rows(model: PreTrainedModel, sequences: Sequence[TokenIds]) -> list[Float[Tensor, "S H T D"]]:
    """Right-padded."""
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
    return [stack_planes([plane[row, :, :length] for plane in planes_of(cache)]) for row, length in enumerate(lengths)]


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
