"""Memory that stays where it is, and the tensors in it that a recorded pass reads."""

from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vineppo.engines.torch.attention import Branching, hiding
from vineppo.engines.torch.buckets import Shape
from vineppo.engines.torch.forest import slots_of
from vineppo.engines.torch.trunks import Trunk, copy_into


class Stretch:
    """Memory for tokens' keys and values that stays where it is, zeros at first, until more is needed."""

    def __init__(self) -> None:
        self.memory: Tensor | None = None
        self._token = 1
        """Numbers of a token."""

    @property
    def length(self) -> int:
        """Tokens that it holds."""
        return 0 if self.memory is None else len(self.memory) // self._token

    def drop(self) -> None:
        """Give it back."""
        self.memory = None

    def suits(self, length: int, *, most: int | None = None) -> bool:
        """Whether it holds so many tokens, and not more than `most` unless they must be."""
        return length <= self.length and (most is None or self.length <= max(most, length))

    def renew(self, length: int, like: Float[Tensor, "S H T D"]) -> None:
        """Hold so many tokens of the kind of `like`, all zero, elsewhere. Nothing may look at the old ones."""
        self.memory = None  # it goes before something new is made
        self._token = prod(plane_sizes(like))
        self.memory = like.new_zeros(length * self._token)


@dataclass(eq=False, kw_only=True)
class Buffers:
    """All that a pass over rows of a shape reads. Rows and trunks that fill it up see zeros and are seen by nobody."""

    shape: Shape
    trunks: Float[Tensor, "S G H T D"]
    own: Float[Tensor, "S B H C D"]
    """The branches' keys and values."""
    slots: Int[Tensor, "G R"]
    places: Int[Tensor, " B"]
    starts: Int[Tensor, " B"]
    first: Int[Tensor, " B"]
    """See `Branching`, and of the trunk's tokens how many a row sees."""
    fed: Int[Tensor, "4 B"]
    """Tokens, their positions, the column they go to, and the bits of the uniform numbers that decide what follows."""

    @classmethod
    def within(cls, shape: Shape, trunks: Tensor, own: Tensor) -> "Buffers":
        """Around planes that lie in a `Stretch`."""
        return cls(
            shape=shape,
            trunks=trunks,
            own=own,
            slots=_integers(trunks, shape.groups, shape.slots),
            places=_integers(trunks, shape.rows),
            starts=_integers(trunks, shape.rows),
            first=_integers(trunks, shape.rows),
            fed=_integers(trunks, 4, shape.rows),
        )

    def leave(self, groups: np.ndarray, starts: np.ndarray, first: np.ndarray) -> None:
        """Row b leaves trunk groups[b] after starts[b] tokens, and its branch begins at column first[b]."""
        slots, places = slots_of(groups, self.shape.groups, most=self.shape.slots)
        _set(self.slots, slots)
        _set(self.places, places)
        _set(self.starts, starts)
        _set(self.first, first)

    def feed(self, tokens: np.ndarray, positions: np.ndarray, column: int, uniforms: np.ndarray) -> None:
        """What the next pass is about, in one copy."""
        fed = np.stack([tokens, positions, np.full_like(tokens, column), uniforms.view(np.int64)])
        padding = self.shape.rows - len(tokens)
        self.fed.copy_(torch.from_numpy(np.pad(fed, ((0, 0), (0, padding)), mode="edge")))
        self.fed[:2, len(tokens) :] = 0

    @property
    def uniforms(self) -> Float[Tensor, " B"]:
        """Those of `fed`."""
        return self.fed[3].view(torch.float64)

    def branching(self) -> Branching:
        """For the pass that feeds `fed`; made of tensors alone."""
        place = torch.arange(self.shape.trunk, device=self.starts.device)
        return Branching(
            shared=self.trunks[:, :1, :, :0],
            trunks=self.trunks,
            slots=self.slots,
            places=self.places,
            trunk_bias=hiding(place >= self.starts[:, None]),
            positions=self.fed[1],
            first=self.first,
            column=self.fed[2, :1],
            own=self.own,
        )


def plane_sizes(planes: Float[Tensor, "S H T D"]) -> tuple[int, int, int]:
    """S, H, D."""
    count, heads, _, size = planes.shape
    return count, heads, size


def views(memory: Float[Tensor, " M"], shape: Shape, sizes: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Trunks at its beginning, and branches behind them."""
    count, heads, size = sizes
    trunks = (count, shape.groups, heads, shape.trunk, size)
    own = (count, shape.rows, heads, shape.columns, size)
    return memory[: prod(trunks)].view(trunks), memory[prod(trunks) :][: prod(own)].view(own)


def plant(planes: Float[Tensor, "S G H T D"], trunks: list[Trunk]) -> None:
    """Copy trunks side by side; what they leave free is zero."""
    planes.zero_()
    for group, trunk in enumerate(trunks):
        copy_into(planes[:, group], trunk, slice(0, len(trunk.tokens)))


def _integers(like: Tensor, *shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.long, device=like.device)


def _set(buffer: Tensor, values: np.ndarray) -> None:
    """The values, then zeros."""
    padded = np.zeros(tuple(buffer.shape), dtype=np.int64)
    padded[tuple(slice(n) for n in values.shape)] = values
    buffer.copy_(torch.from_numpy(padded))
