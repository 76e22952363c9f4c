"""Decoder over rows in buffers that stay where they are, so that they can be recorded and replayed.

Shapes are rounded up (`buckets`), trunks and branches lie in one stretch of memory (`buffers`), and a pass is a
function of these alone: `draw_pass` for the next token of every row, `first_pass` for the logits that rows begin with.
"""

from collections.abc import Sequence
from functools import partial
from math import prod

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import Cache, PreTrainedModel
from transformers.cache_utils import CacheLayerMixin

from vineppo.engines.torch.buckets import LEAST_ROWS, LEAST_SLOTS, Shape, bucket
from vineppo.engines.torch.buffers import Buffers, plane_sizes, plant, views
from vineppo.engines.torch.decoder import Drawn, next_logits
from vineppo.engines.torch.law import CHUNK, draw_part
from vineppo.engines.torch.ledger import distinct
from vineppo.engines.torch.recordings import Recording, Recordings
from vineppo.engines.torch.trunks import Trunk, planes_like
from vineppo.types import Sampling


class RecordedDecoder:
    """See `Decoder`. What is recorded outlives it."""

    def __init__(self, model: PreTrainedModel, sampling: Sampling, recordings: Recordings, *, law: int = CHUNK):
        """law: numbers of the law that are made at once."""
        self._model, self._recordings = model, recordings
        self._draw = partial(draw_pass, model, sampling, law)
        self._law = (sampling.temperature, sampling.top_k, sampling.top_p, law)
        self._rows = self._written = 0
        self._trunks: list[Trunk] = []
        self._planted: tuple[int, int] | None = None
        """The shape in which the trunks stand in the buffers."""
        self._own: Recording | None = None

    @property
    def columns(self) -> int:
        """Of the branches, written so far."""
        return self._written

    @property
    def capacity(self) -> int:
        """Columns that fit."""
        return 0 if self._own is None else self._own.buffers.shape.columns

    @property
    def held(self) -> int:
        """In the stretch of trunks and branches, which stays when no rows are left."""
        return self._recordings.rows.length

    def clear(self) -> None:
        """No rows are left; the memory stays, or what was recorded would be lost."""
        self._rows = self._written = 0
        self._trunks, self._planted, self._own = [], None, None

    def trim(self, most: int) -> None:
        """See `Decoder`. What was recorded goes with the memory."""
        if self.held > most:
            self.clear()
            self._recordings.forget()
            self._recordings.rows.drop()

    def lay_out(
        self,
        trunks: Sequence[Trunk],
        starts: np.ndarray,
        first: np.ndarray,
        going: np.ndarray,
        *,
        skip: int,
        room: int,
        most: int | None,
    ) -> None:
        """See `Decoder`. What rows have written is copied aside and back: recordings know one place for it."""
        wanted, groups, sizes = *_grouped(trunks), plane_sizes(planes_like(trunks[0]))
        kept = self._kept(going, skip)
        written = self._written - skip
        shape = Shape.around(
            groups=len(wanted),
            slots=int(np.bincount(groups).max()),
            trunk=max(len(trunk.tokens) for trunk in wanted),
            rows=len(trunks),
            columns=written + room,
        )
        self._own = None
        self._make_room(shape, like=planes_like(trunks[0]), most=most)
        own = self._own = self._recordings.of(("next", shape, self._law), lambda: self._in_rows(shape, sizes))
        buffers = own.buffers
        if self._trunks != wanted or self._planted != (shape.groups, shape.trunk):
            plant(buffers.trunks, wanted)
            self._trunks, self._planted = wanted, (shape.groups, shape.trunk)
        buffers.own.zero_()  # what is hidden is multiplied by 0 all the same, so it must be finite
        if kept is not None:
            buffers.own[:, : len(going), :, :written] = kept
        buffers.leave(groups, starts, first)
        self._rows, self._written = len(trunks), written

    def first_logits(self, trunks: Sequence[Trunk], last: np.ndarray, tokens: np.ndarray) -> Float[Tensor, "N V"]:
        """See `Decoder`."""
        assert self._own is not None, "lay_out made it"
        rows = self._own.buffers
        groups = np.array([self._trunks.index(trunk) for trunk in trunks])
        shape = Shape(
            groups=rows.shape.groups,
            slots=bucket(int(np.bincount(groups).max()), LEAST_SLOTS),
            trunk=rows.shape.trunk,
            rows=bucket(len(trunks), LEAST_ROWS),
            columns=1,
        )
        own = self._recordings.of(("first", shape), lambda: self._in_states(shape, rows.trunks))
        own.buffers.leave(groups, last, np.zeros_like(last))
        own.buffers.feed(tokens, last, 0, np.zeros(len(tokens)))
        return self._recordings.run(own, partial(first_pass, self._model))[: len(trunks)]

    def draw_next(self, tokens: np.ndarray, positions: np.ndarray, uniforms: np.ndarray) -> Drawn:
        """See `Decoder`."""
        assert self._own is not None, "lay_out made it"
        self._own.buffers.feed(tokens, positions, self._written, uniforms)
        drawn = self._recordings.run(self._own, self._draw).cpu().numpy()[:, : self._rows]
        self._written += 1
        return drawn[0].astype(np.int64), drawn[1]

    def branch(self, row: int, columns: slice) -> Float[Tensor, "S H C D"]:
        """See `Decoder`."""
        assert self._own is not None, "lay_out made it"
        return self._own.buffers.own[:, row, :, columns]

    def _kept(self, going: np.ndarray, skip: int) -> Float[Tensor, "S K H C D"] | None:
        """A copy of what the rows that go on have written."""
        if self._own is None or not len(going):
            return None
        planes = self._own.buffers.own[:, :, :, skip : self._written]
        return planes.index_select(1, torch.from_numpy(going).to(planes.device))

    def _make_room(self, shape: Shape, *, like: Float[Tensor, "S H T D"], most: int | None) -> None:
        """For rows of this shape, and for as many states that some of them begin with."""
        both = self._recordings
        if both.rows.suits(shape.tokens, most=most) and both.states.suits(shape.rows):
            return
        both.forget()  # their buffers look at the old memory
        if not both.rows.suits(shape.tokens, most=most):
            both.rows.renew(shape.tokens, like)
            self._planted = None
        if not both.states.suits(shape.rows):
            both.states.renew(shape.rows, like)

    def _in_rows(self, shape: Shape, sizes: tuple[int, int, int]) -> Buffers:
        memory = self._recordings.rows.memory
        assert memory is not None, "room was made"
        return Buffers.within(shape, *views(memory, shape, sizes))

    def _in_states(self, shape: Shape, trunks: Float[Tensor, "S G H T D"]) -> Buffers:
        """Branches of their own that leave the trunks of the rows."""
        memory, (count, _, heads, _, size) = self._recordings.states.memory, trunks.shape
        assert memory is not None, "room was made"
        planes = (count, shape.rows, heads, 1, size)
        return Buffers.within(shape, trunks, memory[: prod(planes)].view(planes))


def _grouped(trunks: Sequence[Trunk]) -> tuple[list[Trunk], np.ndarray]:
    """The distinct ones, and which of them each is."""
    wanted = distinct(trunks)
    place = {trunk: group for group, trunk in enumerate(wanted)}
    return wanted, np.array([place[trunk] for trunk in trunks])


def first_pass(model: PreTrainedModel, buffers: Buffers) -> Float[Tensor, "N V"]:
    """The logits after each row's token."""
    return next_logits(model, buffers.fed[0], FixedCache(buffers), buffers.branching())


def draw_pass(model: PreTrainedModel, sampling: Sampling, law: int, buffers: Buffers) -> Float[Tensor, "2 B"]:
    """What follows each row's token, and the log-prob of that. law: numbers of it that are made at once."""
    logits, uniforms = first_pass(model, buffers), buffers.uniforms
    several = max(1, law // logits.shape[-1])
    parts = [
        draw_part(some, sampling, theirs)
        for some, theirs in zip(logits.split(several), uniforms.split(several), strict=True)
    ]
    return torch.cat([torch.stack([tokens.double(), logprobs.double()]) for tokens, logprobs in parts], dim=1)


class FixedCache(Cache):
    """Branches that are written at the column that is fed, wherever that is."""

    def __init__(self, buffers: Buffers):
        own, column = buffers.own, buffers.fed[2, :1]
        super().__init__(layers=[_FixedLayer(own[i], own[i + 1], column) for i in range(0, len(own), 2)])


class _FixedLayer(CacheLayerMixin):
    """One layer's view of the buffers."""

    is_sliding = False
    is_compileable = False

    def __init__(self, keys: Float[Tensor, "B H C D"], values: Float[Tensor, "B H C D"], column: Int[Tensor, "1"]):
        super().__init__()
        self.keys: Tensor = keys  # pyright: ignore[reportIncompatibleVariableOverride]
        self.values: Tensor = values  # pyright: ignore[reportIncompatibleVariableOverride]
        self.column = column
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing to do: the planes are given."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object):
        """Write one token a row in place and return all columns. A layer with fewer or smaller heads than the largest
        fills a corner of its planes. The signature is transformers'."""
        corners = []
        for plane, states in ((self.keys, key_states), (self.values, value_states)):
            _, heads, _, size = states.shape
            corner = plane[:, :heads, :, :size]
            corners.append(corner.index_copy_(2, self.column, states))
        return tuple(corners)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of the keys a query sees: of all columns, as the pass must not depend on one."""
        return self.keys.shape[-2], 0

    def get_seq_length(self) -> int:
        """All columns."""
        return self.keys.shape[-2]

    def get_max_length(self) -> int:
        """Columns that fit."""
        return self.keys.shape[-2]
