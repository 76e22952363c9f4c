"""Trunks: token sequences whose keys and values are held once. Every prefix is a state that rollouts start from."""

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from vineppo.engines.prefixes import TokenIds, maximal

PREFILL_TOKENS = 16_384
"""Most tokens, padding included, of one prefill pass: its activations must fit beside everything else."""


LEAST_SAVED = 256
"""Tokens that must be spared before a second pass is worth its while."""


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


@torch.inference_mode()
def prefill(model: PreTrainedModel, sequences: Sequence[TokenIds]) -> list[Float[Tensor, "S H T D"]]:
    """Keys and values of each sequence, in one right-padded forward pass of the backbone.

    What all begin with (a few-shot prompt, a system message) goes through it once, before.
    """
    shared, lengths = shared_length(sequences), [len(s) for s in sequences]
    cache = DynamicCache()
    if shared:
        once = torch.tensor([sequences[0][:shared]], device=model.device)
        model.base_model(input_ids=once, past_key_values=cache, use_cache=True)
        cache.batch_repeat_interleave(len(sequences))
    token_ids = torch.zeros(len(sequences), max(lengths) - shared, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        token_ids[row, : lengths[row] - shared] = torch.tensor(sequence[shared:])
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    model.base_model(
        input_ids=token_ids.to(model.device),
        attention_mask=mask.to(model.device),
        past_key_values=cache,
        use_cache=True,
    )
    layers = [layer for layer in cache.layers if isinstance(layer, DynamicLayer)]
    planes = [plane for layer in layers for plane in (layer.keys, layer.values) if plane is not None]
    # Copies, so that one long sequence does not hold the padding of all its neighbours.
    return [stack_planes([plane[row, :, :length] for plane in planes]) for row, length in enumerate(lengths)]


def shared_length(sequences: Sequence[TokenIds]) -> int:
    """Tokens that all begin with, where a pass of their own pays; each sequence keeps at least one."""
    first, last = min(sequences), max(sequences)  # what the two ends of the order share, all share
    most = min(map(len, sequences)) - 1
    shared = next((place for place in range(most) if first[place] != last[place]), most)
    return shared if shared * (len(sequences) - 1) >= LEAST_SAVED else 0


def stack_planes(planes: Sequence[Tensor]) -> Float[Tensor, "S H T D"]:
    """Side by side, each in the corner of one as large as the largest: layers may differ in heads and their size."""
    heads, size = max(plane.shape[0] for plane in planes), max(plane.shape[2] for plane in planes)
    if any(plane.shape != planes[0].shape for plane in planes):
        planes = [nn.functional.pad(p, (0, size - p.shape[2], 0, 0, 0, heads - p.shape[0])) for p in planes]
    return torch.stack(list(planes))
