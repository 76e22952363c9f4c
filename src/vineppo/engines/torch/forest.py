"""The trunks of the rows that decode side by side, laid out for one matrix product."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vineppo.engines.torch.attention import Branching
from vineppo.engines.torch.branches import BranchCache
from vineppo.engines.torch.trunks import SHARED, Trunk, copy_into, planes_like, shared_by


class Forest:
    """G trunks side by side, at least one. Every one has its keys and values. What all begin with stands there once."""

    def __init__(self, trunks: Sequence[Trunk], *, least: int = SHARED):
        """least: see `shared_by`."""
        self.trunks, tokens = list(trunks), [trunk.tokens for trunk in trunks]
        common = shared_by(min(tokens), max(tokens), len(tokens), least=least)
        self.shared, self.planes = _side_by_side(self.trunks, common)

    def layout(self, row_trunks: Sequence[Trunk], starts: np.ndarray) -> "Layout":
        """Row b of B leaves row_trunks[b] after its first starts[b] tokens."""
        place = {trunk: group for group, trunk in enumerate(self.trunks)}
        slots, places = slots_of(np.array([place[trunk] for trunk in row_trunks]), len(self.trunks))
        hidden = np.arange(self.shared.shape[3] + self.planes.shape[3]) >= starts[:, None]
        bias = np.where(hidden, -np.inf, 0.0).astype(np.float32)
        tables = (torch.from_numpy(array).to(self.planes.device) for array in (slots, places, bias))
        return Layout(self.shared, self.planes, *tables)


class Layout:
    """Where rows leave their trunks: all of a `Branching` that stays the same from step to step."""

    def __init__(self, shared: Tensor, planes: Tensor, slots: Tensor, places: Tensor, trunk_bias: Tensor):
        self._shared, self._planes = shared, planes
        self._slots, self._places, self._trunk_bias = slots, places, trunk_bias

    def branching(self, own: BranchCache, *, positions: np.ndarray, first: np.ndarray) -> Branching:
        """For the next step of the branches: [B] positions of the tokens fed, [B] first columns."""
        device = self._planes.device
        return Branching(
            shared=self._shared,
            trunks=self._planes,
            slots=self._slots,
            places=self._places,
            trunk_bias=self._trunk_bias,
            positions=torch.from_numpy(positions).to(device),
            first=torch.from_numpy(first).to(device),
            column=own.columns,
            own=own.planes,
        )


def _side_by_side(
    trunks: Sequence[Trunk], common: int
) -> tuple[Float[Tensor, "S 1 H L D"], Float[Tensor, "S G H T D"]]:
    """Copies: of the first tokens, which all have in common, and of what follows, right-padded to the longest."""
    like, longest = planes_like(trunks[0]), max(len(trunk.tokens) for trunk in trunks)
    planes, heads, _, size = like.shape
    shared = like.new_empty(planes, 1, heads, common, size)
    copy_into(shared[:, 0], trunks[0], slice(0, common))
    together = like.new_zeros(planes, len(trunks), heads, longest - common, size)
    for group, trunk in enumerate(trunks):
        copy_into(together[:, group], trunk, slice(common, len(trunk.tokens)))
    return shared, together


def slots_of(groups: np.ndarray, count: int, *, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """From the [B] trunks of the rows: the [G, R] rows of each trunk (row 0 where it has fewer than R), and the [B]
    places of the rows in that table, flattened. most: R, if not as many rows as some trunk has."""
    sizes = np.bincount(groups, minlength=count)
    order = np.argsort(groups, kind="stable")
    within = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    slots = np.zeros((count, sizes.max() if most is None else most), dtype=np.int64)
    slots[groups[order], within] = order
    places = np.empty(len(groups), dtype=np.int64)
    places[order] = groups[order] * slots.shape[1] + within
    return slots, places
