"""The branches: keys and values of what each row has written itself, all rows ending at the same column."""

from math import prod

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin


class BranchCache(Cache):
    """Preallocated planes [S, B, H, C, D], of which the first `columns` columns are written.

    Written in place, where a DynamicCache would copy everything for each token, and always read as a whole. A row that
    joined late has its branch in the last columns; what stands before it, and what is not yet written, is hidden.

    Laying out anew goes back and forth between two stretches of memory: fresh memory costs three times the copying.
    """

    def __init__(self, memory: Float[Tensor, " M"], shape: tuple[int, ...], columns: int = 0, *, spare: Tensor):
        self.planes: Float[Tensor, "S B H C D"] = memory[: prod(shape)].view(shape)
        self._memory, self._spare = memory, spare
        planes = self.planes
        super().__init__(
            layers=[_BranchLayer(planes[2 * i], planes[2 * i + 1], columns) for i in range(planes.shape[0] // 2)]
        )

    @property
    def columns(self) -> int:
        """Written so far."""
        return self.get_seq_length()

    @classmethod
    def empty(cls, like: Float[Tensor, "S G H T D"]) -> "BranchCache":
        """No rows yet, for a model with such planes."""
        nothing = like.new_empty(0)
        return cls(nothing, (like.shape[0], 0, like.shape[2], 0, like.shape[4]), spare=nothing)

    @property
    def held(self) -> int:
        """Tokens whose keys and values would take the memory of the present layout, used or not."""
        planes, _, heads, _, size = self.planes.shape
        return -(-len(self._memory) // (planes * heads * size))

    def relaid(
        self, rows: np.ndarray, *, skip: int = 0, newcomers: int, room: int, most: int | None = None
    ) -> "BranchCache":
        """The given rows without their first `skip` columns, then empty rows; `room` columns are free.

        Both stretches of memory together never hold more than `most` tokens afterwards.
        """
        written = self.columns - skip
        planes_count, before, heads, _, size = self.planes.shape
        shape = (planes_count, len(rows) + newcomers, heads, written + room, size)
        limit = None if most is None else max(most * planes_count * heads * size, prod(shape))
        memory = self._spare
        if len(memory) < prod(shape) or (limit is not None and len(memory) > limit):
            self._spare = memory = memory.new_empty(0)  # what does not fit goes before something new is made
            memory = memory.new_empty(prod(shape))
        spare = self._memory
        if limit is not None and len(memory) + len(spare) > limit:
            spare = spare.new_empty(0)
        relaid = BranchCache(memory, shape, written, spare=spare)
        planes = relaid.planes
        # What is hidden is multiplied by 0 all the same, so it must be finite.
        planes[:, :, :, written:] = 0
        planes[:, len(rows) :, :, :written] = 0
        index = None if len(rows) == before else torch.from_numpy(rows).to(planes.device)
        for old, new in zip(self.planes, planes, strict=True):  # plane by plane: indexing makes a copy
            kept = old[:, :, skip : self.columns]
            new[: len(rows), :, :written] = kept if index is None else kept.index_select(0, index)
        return relaid


class _BranchLayer(CacheLayerMixin):
    """One layer's view of the preallocated planes."""

    is_sliding = False
    is_compileable = False

    def __init__(self, keys: Float[Tensor, "B H C D"], values: Float[Tensor, "B H C D"], columns: int):
        super().__init__()
        self.keys: Tensor = keys  # pyright: ignore[reportIncompatibleVariableOverride]
        self.values: Tensor = values  # pyright: ignore[reportIncompatibleVariableOverride]
        self.columns = columns
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing to do: the planes are given."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object):
        """Append one token a row in place and return all columns, written or not. The signature is transformers'.

        A layer whose heads are fewer or smaller than the largest layer's fills a corner of its planes.
        """
        corners = []
        for plane, states in ((self.keys, key_states), (self.values, value_states)):
            _, heads, _, size = states.shape
            plane[:, :heads, self.columns, :size] = states[:, :, 0]
            corners.append(plane[:, :heads, :, :size])
        self.columns += 1
        return tuple(corners)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of the keys a query of this length sees."""
        return self.columns + query_length, 0

    def get_seq_length(self) -> int:
        """Columns written."""
        return self.columns

    def get_max_length(self) -> int:
        """Columns that fit."""
        return self.keys.shape[-2]
