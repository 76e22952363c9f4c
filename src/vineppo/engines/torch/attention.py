"""Attention of rows that branch off shared trunks: exact, and through transformers' attention interface.

A row attends to the first tokens of its trunk and to its own branch. What all trunks begin with alike is met by all
rows in one matrix product, the rest of a trunk by all rows of that trunk in one; a branch is met by its row alone. One
softmax goes over all parts of a row's scores.

Sharing the product is the idea of Hydragen (Juravsky et al., arXiv 2402.05099), which has one prefix for all rows; here
every row leaves its trunk at a place of its own, so one trunk serves all states of a trajectory.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import AttentionInterface

from vineppo.errors import UserError

NAME = "vineppo_branching"

Side = tuple[Callable[[Tensor, Tensor], Tensor], Tensor, Tensor]
"""How rows meet keys and values in a matrix product, and these."""


@runtime_checkable
class Latent(Protocol):
    """Attention that keeps a latent of keys and values, and the rotated part of the keys (MLA, as in DeepSeek V3)."""

    layer_idx: int
    kv_lora_rank: int
    qk_rope_head_dim: int

    def expand_kv(self, kv_nope: Tensor, k_rot: Tensor) -> tuple[Tensor, Tensor]:
        """From what is kept to keys and values."""
        ...


@dataclass(eq=False, kw_only=True)
class Branching:
    """Where each of B rows leaves which of G trunks, for one decoding step. All layers share it.

    What a row must not see gets a bias of -inf. Biases are added in place: a masked fill costs several times as much.
    """

    shared: Float[Tensor, "S 1 H L D"]
    """Of what all trunks begin with: keys and values by turns, layer after layer."""
    trunks: Float[Tensor, "S G H T D"]
    """Of each what follows; right-padded."""
    slots: Int[Tensor, "G R"]
    """The rows of each trunk; where a trunk has fewer than R, any row."""
    places: Int[Tensor, " B"]
    """Where each row stands in `slots`, flattened."""
    trunk_bias: Float[Tensor, "B L+T"]
    """Hides what stands past the place where a row leaves its trunk."""
    positions: Int[Tensor, " B"]
    """Of the token that is fed now."""
    first: Int[Tensor, " B"]
    """The column of the branch cache where each row's branch begins."""
    column: int | Int[Tensor, "1"]
    """Where the token that is fed now goes; later columns are not written yet."""
    own: Float[Tensor, "S B H C D"]
    """The branches' planes, to tell whose keys a layer attends to."""
    _biases: dict[int | None, Float[Tensor, "B 1 1 J"]] = field(default_factory=dict)

    def with_trunks(self, rows: Float[Tensor, "B H N I"], trunks: Float[Tensor, "G H I J"]) -> Float[Tensor, "B H N J"]:
        """The matrix product of each row with its trunk: one for all rows of a trunk."""
        groups, most = self.slots.shape
        several = rows.shape[2]
        slotted = rows.index_select(0, self.slots.flatten()).unflatten(0, (groups, most)).transpose(1, 2)
        products = slotted.flatten(2, 3) @ trunks
        return products.unflatten(2, (most, several)).transpose(1, 2).flatten(0, 1).index_select(0, self.places)

    def with_shared(self, rows: Float[Tensor, "B H N I"], shared: Float[Tensor, "1 H I J"]) -> Float[Tensor, "B H N J"]:
        """The matrix product of all rows with what all trunks begin with."""
        products = rows.transpose(0, 1).flatten(1, 2) @ shared[0]
        return products.unflatten(1, (len(rows), rows.shape[2])).transpose(0, 1)

    def sides(self, module: nn.Module, keys: Tensor, values: Tensor) -> list[Side]:
        """What stands before the branches, for a layer that attends to these keys and values of theirs."""
        parts = ((self.with_shared, self.shared), (self.with_trunks, self.trunks))
        return [(meet, *self._layer_of(module, keys, values, planes)) for meet, planes in parts if planes.shape[3]]

    def _layer_of(
        self, module: nn.Module, keys: Tensor, values: Tensor, planes: Float[Tensor, "S G _ T _"]
    ) -> tuple[Float[Tensor, "G H T D"], Float[Tensor, "G H T E"]]:
        """Planes are as large as the largest layer's; the others fill a corner."""
        if isinstance(module, Latent):
            layer = int(module.layer_idx)  # pyright: ignore[reportArgumentType]
            latent, rotated = planes[2 * layer], planes[2 * layer + 1]
            return module.expand_kv(
                latent[:, :1, :, : module.kv_lora_rank], rotated[:, :1, :, : module.qk_rope_head_dim]
            )
        # Views of the planes of the layer that wrote them, which is another one where layers share keys and values.
        layer = int(keys.storage_offset() - self.own.storage_offset()) // int(self.own.stride(0)) // 2
        (_, heads, _, size), (_, value_heads, _, value_size) = keys.shape, values.shape
        return planes[2 * layer][:, :heads, :, :size], planes[2 * layer + 1][:, :value_heads, :, :value_size]

    def bias(self, columns: int, window: int | None) -> Float[Tensor, "B 1 1 J"]:
        """Over the trunk and J - L - T columns of the branch: hides the rest of the trunk, columns before a row's
        branch, those not written yet, and what a sliding window has left behind."""
        if window not in self._biases:
            column = torch.arange(columns, device=self.first.device)
            first = self.first if window is None else self.first.clamp(min=self.column + 1 - window)
            branch = hiding((column < first[:, None]) | (column > self.column))
            trunk = self.trunk_bias
            if window is not None:
                place = torch.arange(trunk.shape[1], device=trunk.device)
                trunk = trunk + hiding(place <= (self.positions - window)[:, None])
            self._biases[window] = torch.cat([trunk, branch], dim=1)[:, None, None]
        return self._biases[window]


def branching_attention(
    module: nn.Module,
    query: Float[Tensor, "B Q 1 D"],
    key: Float[Tensor, "B H C D"],
    value: Float[Tensor, "B H C E"],
    attention_mask: Tensor | None,
    *,
    branching: Branching,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **unused: object,
) -> tuple[Float[Tensor, "B 1 Q E"], None]:
    """One layer, one new token a row. Q query heads share H key heads; `key` and `value` are the branch's.

    The signature is transformers'; `branching` travels through the model's keyword arguments, as the block tables of
    its paged attention do.
    """
    if s_aux is not None:
        raise UserError(f"policy: {type(module).__name__} has attention sinks, which the embedded engine does not know")
    rows, query_heads, _, size = query.shape
    heads = key.shape[1]
    query = query.reshape(rows, heads, query_heads // heads, size) * (size**-0.5 if scaling is None else scaling)
    sides = branching.sides(module, key, value)

    products = [*(meet(query, keys.transpose(-1, -2)) for meet, keys, _ in sides), query @ key.transpose(-1, -2)]
    scores = _capped(torch.cat(products, dim=-1).float(), softcap)
    weights = scores.add_(branching.bias(key.shape[2], sliding_window)).softmax(-1).to(value.dtype)
    *of_sides, of_own = weights.split([own.shape[-1] for own in products], dim=-1)
    out = of_own @ value
    for (meet, _, values), of_side in zip(sides, of_sides, strict=True):
        out += meet(of_side, values)
    return out.view(rows, 1, query_heads, value.shape[-1]), None


def hiding(hidden: Bool[Tensor, "B J"]) -> Float[Tensor, "B J"]:
    """-inf where something is hidden, else 0."""
    return torch.zeros_like(hidden, dtype=torch.float32).masked_fill_(hidden, -torch.inf)


def _capped(scores: Tensor, softcap: float | None) -> Tensor:
    return scores if softcap is None else (scores / softcap).tanh_() * softcap


AttentionInterface.register(NAME, branching_attention)
