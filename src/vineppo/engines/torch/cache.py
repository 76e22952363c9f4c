"""Keys and values: of trunks, which are kept, and of the rows that grow from them.

A *trunk* is a token sequence whose keys and values are held once. Every prefix of it is a state that rollouts start
from without a new prefill.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import CacheLayerMixin, DynamicLayer

from vineppo.errors import UserError

TokenIds = tuple[int, ...]


class Trunks:
    """Token sequences and their keys and values, found by prefix. `max_bytes` None: as many as come."""

    def __init__(self, *, max_bytes: int | None = None):
        self._keys_values: dict[TokenIds, Float[Tensor, "S H T D"]] = {}
        self._ordered: list[TokenIds] = []
        self._max_bytes = max_bytes
        self._bytes = 0

    def add(self, tokens: TokenIds, keys_values: Float[Tensor, "S H T D"]) -> None:
        """Keep a trunk if it is new and fits: S = 2 x layers planes of heads x tokens x head dimension."""
        fits = self._max_bytes is None or self._bytes + keys_values.nbytes <= self._max_bytes
        if tokens in self._keys_values or not fits:
            return
        insort(self._ordered, tokens)
        self._keys_values[tokens] = keys_values.clone()
        self._bytes += keys_values.nbytes

    def covering(self, prefix: TokenIds) -> Float[Tensor, "S H T D"] | None:
        """Keys and values of a trunk that starts with `prefix`, or None.

        In lexicographic order, such a trunk is the first one not before the prefix.
        """
        place = bisect_left(self._ordered, prefix)
        if place == len(self._ordered) or self._ordered[place][: len(prefix)] != prefix:
            return None
        return self._keys_values[self._ordered[place]]

    def clear(self) -> None:
        """Forget everything: the weights changed."""
        self._keys_values.clear()
        self._ordered.clear()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._ordered)


def maximal(prefixes: Sequence[TokenIds]) -> list[TokenIds]:
    """The prefixes that no other continues: prefilled once, they cover all the others."""
    ordered = sorted(set(prefixes))
    covered = {p for p, following in pairwise(ordered) if following[: len(p)] == p}
    return [p for p in ordered if p not in covered]


class RowCache(Cache):
    """Preallocated keys and values [S, B, H, L, D] of B rows that decode side by side, ending at the same column.

    Written in place, where a DynamicCache would copy everything for each token.
    """

    def __init__(self, planes: Float[Tensor, "S B H L D"], length: int):
        self.planes = planes
        super().__init__(
            layers=[_RowLayer(planes[2 * i], planes[2 * i + 1], length) for i in range(planes.shape[0] // 2)]
        )

    @classmethod
    def branch(cls, trunks: Sequence[Float[Tensor, "S H _ D"]], lengths: Sequence[int], room: int) -> "RowCache":
        """Row b starts as the first `lengths[b]` tokens of `trunks[b]`; `room` more tokens fit."""
        longest = max(lengths)
        planes_count, heads, _, size = trunks[0].shape
        planes = trunks[0].new_zeros(planes_count, len(trunks), heads, longest + room, size)
        for row, (trunk, length) in enumerate(zip(trunks, lengths, strict=True)):
            planes[:, row, :, longest - length : longest] = trunk[:, :, :length]
        return cls(planes, longest)

    def keep(self, rows: Tensor) -> "RowCache":
        """Only the given rows."""
        return RowCache(self.planes[:, rows], self.get_seq_length())

    def grown(self) -> "RowCache":
        """The same with half as much room again."""
        more = self.planes.new_zeros(*self.planes.shape[:3], max(32, self.planes.shape[3] // 2), self.planes.shape[4])
        return RowCache(torch.cat([self.planes, more], dim=3), self.get_seq_length())

    @property
    def is_full(self) -> bool:
        """No further token fits."""
        return self.get_seq_length() == self.planes.shape[3]


class _RowLayer(CacheLayerMixin):
    """One layer's view of the preallocated planes."""

    is_sliding = False
    is_compileable = False

    def __init__(self, keys: Float[Tensor, "B H L D"], values: Float[Tensor, "B H L D"], length: int):
        super().__init__()
        self.keys: Tensor = keys  # pyright: ignore[reportIncompatibleVariableOverride]
        self.values: Tensor = values  # pyright: ignore[reportIncompatibleVariableOverride]
        self.length = length
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing to do: the planes are given."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object):
        """Append the new tokens in place and return all up to them. The signature is transformers'."""
        stop = self.length + key_states.shape[-2]
        self.keys[:, :, self.length : stop] = key_states
        self.values[:, :, self.length : stop] = value_states
        self.length = stop
        return self.keys[:, :, :stop], self.values[:, :, :stop]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of the keys a query of this length sees."""
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        """Tokens held."""
        return self.length

    def get_max_length(self) -> int:
        """Tokens that fit."""
        return self.keys.shape[-2]


def check_cacheable(model: PreTrainedModel) -> None:
    """Refuse architectures whose state is not plain keys and values (Mamba, linear attention)."""
    layers = DynamicCache(config=model.config).layers
    strange = {type(layer).__name__ for layer in layers if not isinstance(layer, DynamicLayer)}
    if strange:
        raise UserError(
            f"policy: {type(model).__name__} keeps {', '.join(sorted(strange))} instead of keys and values, which the "
            "embedded engine cannot branch from; take a decoder-only attention model (Llama, Qwen, Mistral, Gemma ...)"
        )


@torch.inference_mode()
def prefill(model: PreTrainedModel, sequences: Sequence[TokenIds]) -> list[Float[Tensor, "S H T D"]]:
    """Keys and values of each sequence, in one right-padded forward pass of the backbone."""
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
    layers = [layer for layer in cache.layers if isinstance(layer, DynamicLayer)]
    planes = torch.stack([plane for layer in layers for plane in (layer.keys, layer.values) if plane is not None])
    return [planes[:, row, :, :length] for row, length in enumerate(lengths)]
