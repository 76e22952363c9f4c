"""Attention within a pack (`attending/trees.py`): each node attends to its ancestors and itself, exactly.

Queries go in blocks of neighbours. Neighbours in depth-first order have most of their ancestors in common, so a block
meets few keys: those on the way to its first node, and the block's own. The work grows with the nodes times the depth
of the trees, where a mask over the whole pack would make it the nodes squared.

A sliding window counts depths, so that it hides what it would hide in the sample alone.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface

from vineppo.attending.trees import Pack
from vineppo.errors import UserError
from vineppo.settings.operations import block_size

NAME = "vineppo_trees"
EDGE = 8
"""Keys of a block are a multiple of it: fused kernels on GPUs want their biases aligned."""


@dataclass(eq=False, kw_only=True)
class Trees:
    """Who sees whom among the L nodes of a pack, whose queries go in G blocks of Q. All layers share it."""

    keys: Int[Tensor, "G K"]
    """Where the keys stand that a block meets. Where it meets fewer than K, others that are hidden from all of it."""
    nodes: Int[Tensor, "G K"]
    """Of which nodes they are."""
    queries: Int[Tensor, "G Q"]
    """The nodes of a block; the last one again where the pack ends within the block."""
    ends: Int[Tensor, "G K"]
    """Of the keys, as in `Pack`; 0 for those that are hidden."""
    depths: Int[Tensor, " L"]
    _biases: dict[tuple[int | None, int, torch.dtype], Float[Tensor, "G 1 R K"]] = field(default_factory=dict)

    def bias(self, window: int | None, repeats: int, dtype: torch.dtype) -> Float[Tensor, "G 1 R K"]:
        """-inf where a query must not look, else 0: once for each of the query heads that share a key head."""
        known = (window, repeats, dtype)
        if known not in self._biases:
            keys, queries = self.nodes[:, None, :], self.queries[:, :, None]
            hidden = (keys > queries) | (self.ends[:, None, :] <= queries)
            if window is not None:
                hidden |= self.depths[queries] - self.depths[keys] >= window
            bias = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill_(hidden, -torch.inf)
            self._biases[known] = bias.repeat(1, repeats, 1)[:, None]
        return self._biases[known]


def trees_of(pack: Pack, *, device: torch.device | str, known: Bool[np.ndarray, " L"] | None = None) -> Trees:
    """The blocks of a pack. known: nodes whose keys are there before the others go through the model; theirs come
    first."""
    known = np.zeros(len(pack.token_ids), bool) if known is None else known
    asked = np.flatnonzero(~known)
    places = np.where(known, np.cumsum(known), known.sum() + np.cumsum(~known)) - 1
    size = block_size(len(asked), int(pack.depths.max()) + 1)
    blocks = [asked[at : at + size] for at in range(0, len(asked), size)]
    met = [np.append(np.nonzero(pack.ends[: own[0]] > own[0])[0], np.arange(own[0], own[-1] + 1)) for own in blocks]
    width = -(-max(map(len, met)) // EDGE) * EDGE
    keys, nodes, ends = (np.zeros((len(met), width), np.int64) for _ in range(3))
    for block, own in enumerate(met):
        keys[block, : len(own)], nodes[block, : len(own)], ends[block, : len(own)] = places[own], own, pack.ends[own]
    queries = np.pad(asked, (0, len(met) * size - len(asked)), mode="edge").reshape(len(met), size)
    placed = (torch.from_numpy(part).to(device) for part in (keys, nodes, queries, ends, pack.depths))
    return Trees(**dict(zip(("keys", "nodes", "queries", "ends", "depths"), placed, strict=True)))


def tree_attention(
    module: nn.Module,
    query: Float[Tensor, "1 N A D"],
    key: Float[Tensor, "1 H L D"],
    value: Float[Tensor, "1 H L E"],
    attention_mask: Tensor | None,
    *,
    trees: Trees,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **unused: object,
) -> tuple[Float[Tensor, "1 A N E"], None]:
    """One layer: of L nodes, the A that go through it now. N query heads share H key heads. The signature is
    transformers'; `trees` travels through the model's keyword arguments."""
    if s_aux is not None:
        raise UserError(f"policy: {type(module).__name__} has attention sinks, which packs do not know")
    (_, query_heads, nodes, _), heads, (groups, size) = query.shape, key.shape[1], trees.queries.shape
    repeats = query_heads // heads
    blocked = pad(query[0], (0, 0, 0, groups * size - nodes)).view(heads, repeats, groups, size, -1)
    blocked = blocked.permute(2, 0, 1, 3, 4).flatten(2, 3)
    keys, values = (part[0].index_select(1, trees.keys.flatten()) for part in (key, value))
    keys, values = (part.unflatten(1, trees.keys.shape).transpose(0, 1) for part in (keys, values))
    bias = trees.bias(sliding_window, repeats, query.dtype)
    if softcap is None:
        out = scaled_dot_product_attention(blocked, keys, values, attn_mask=bias, scale=scaling)
    else:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        scores = softcap * (scale / softcap * (blocked @ keys.transpose(-1, -2))).float().tanh() + bias
        out = scores.softmax(-1).to(values.dtype) @ values
    out = out.unflatten(2, (repeats, size)).permute(0, 3, 1, 2, 4).flatten(2, 3).flatten(0, 1)
    return out[None, :nodes], None


AttentionInterface.register(NAME, tree_attention)
