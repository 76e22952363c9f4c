"""Attention of rows that branch off shared trunks: exact, and through transformers' attention interface.

A row attends to the first tokens of its trunk and to its own branch. The trunk's keys and values are held once, and all
rows of a trunk meet them in one matrix product; a branch is met by its row alone. With scores s_j, each part gives

    m = max_j s_j,   z = sum_j exp(s_j - m),   o = sum_j exp(s_j - m) v_j

and softmax attention over both parts t (trunk) and b (branch) is, exactly,

    out = (e^{m_t} o_t + e^{m_b} o_b) / (e^{m_t} z_t + e^{m_b} z_b).

The split is that of Hydragen (Juravsky et al., arXiv 2402.05099), which has one prefix for all rows; here every row
leaves its trunk at a place of its own, so one trunk serves all states of a trajectory.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel

from vineppo.errors import UserError

NAME = "vineppo_branching"


@dataclass(eq=False, kw_only=True)
class Branching:
    """Where each of B rows leaves which of G trunks, for one decoding step. All layers share it.

    What a row must not see gets a bias of -inf. Biases are added in place: a masked fill costs several times as much.
    """

    trunks: Float[Tensor, "S G H T D"]
    """Keys and values by turns, layer after layer; right-padded."""
    slots: Int[Tensor, "G R"]
    """The rows of each trunk; where a trunk has fewer than R, any row."""
    places: Int[Tensor, " B"]
    """Where each row stands in `slots`, flattened."""
    trunk_bias: Float[Tensor, "G 1 R 1 T"]
    """Hides what stands past the place where a row leaves its trunk."""
    positions: Int[Tensor, " B"]
    """Of the token that is fed now."""
    first: Int[Tensor, " B"]
    """The column of the branch cache where each row's branch begins."""
    column: int
    """Where the token that is fed now goes; later columns are not written yet."""
    _windowed: dict[int, Float[Tensor, "G 1 R 1 T"]] = field(default_factory=dict)
    _branch: dict[int | None, Float[Tensor, "B 1 1 C"]] = field(default_factory=dict)

    def trunk_bias_within(self, window: int | None) -> Float[Tensor, "G 1 R 1 T"]:
        """Hides also what a sliding window has left behind."""
        if window is None:
            return self.trunk_bias
        if window not in self._windowed:
            place = torch.arange(self.trunks.shape[3], device=self.positions.device)
            behind = place <= (self.positions - window)[self.slots][:, None, :, None, None]
            self._windowed[window] = self.trunk_bias.masked_fill(behind, -torch.inf)
        return self._windowed[window]

    def branch_bias(self, columns: int, window: int | None) -> Float[Tensor, "B 1 1 C"]:
        """Hides columns before a row's branch, those not written yet, and those a sliding window has left behind."""
        if window not in self._branch:
            column = torch.arange(columns, device=self.first.device)
            first = self.first if window is None else self.first.clamp(min=self.column + 1 - window)
            hidden = (column < first[:, None]) | (column > self.column)
            self._branch[window] = torch.zeros_like(hidden, dtype=torch.float32).masked_fill_(hidden, -torch.inf)[
                :, None, None
            ]
        return self._branch[window]


def branching_attention(
    module: nn.Module,
    query: Float[Tensor, "B Q 1 D"],
    key: Float[Tensor, "B H C D"],
    value: Float[Tensor, "B H C D"],
    attention_mask: Tensor | None,
    *,
    branching: Branching,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **unused: object,
) -> tuple[Float[Tensor, "B 1 Q D"], None]:
    """One layer, one new token a row. Q query heads share H key heads; `key` and `value` are the branch's.

    The signature is transformers'; `branching` travels through the model's keyword arguments, as the block tables of
    its paged attention do.
    """
    if s_aux is not None:
        raise UserError(f"policy: {type(module).__name__} has attention sinks, which the embedded engine does not know")
    rows, query_heads, _, size = query.shape
    heads = key.shape[1]
    shared = query_heads // heads
    query = query.reshape(rows, heads, shared, size) * (size**-0.5 if scaling is None else scaling)

    groups, most = branching.slots.shape
    layer = int(module.layer_idx)  # pyright: ignore[reportArgumentType]
    trunk_keys, trunk_values = branching.trunks[2 * layer], branching.trunks[2 * layer + 1]
    gathered = query.index_select(0, branching.slots.flatten()).view(groups, most, heads, shared, size).transpose(1, 2)
    scores = gathered.reshape(groups, heads, most * shared, size) @ trunk_keys.transpose(-1, -2)
    scores = _capped(scores.float(), softcap)
    scores.view(groups, heads, most, shared, -1).add_(branching.trunk_bias_within(sliding_window))
    trunk = _partial_softmax(scores, trunk_values)
    top, total, out = (
        part.view(groups, heads, most, shared, -1).transpose(1, 2).flatten(0, 1).index_select(0, branching.places)
        for part in trunk
    )

    scores = _capped((query @ key.transpose(-1, -2)).float(), softcap)
    scores.add_(branching.branch_bias(key.shape[2], sliding_window))
    own_top, own_total, own_out = _partial_softmax(scores, value)

    highest = torch.maximum(top, own_top)
    weight, own_weight = (top - highest).exp_(), (own_top - highest).exp_()
    merged = (out * weight + own_out * own_weight) / (total * weight + own_total * own_weight)
    return merged.to(query.dtype).view(rows, 1, query_heads, size), None


def _partial_softmax(
    scores: Float[Tensor, "*B N J"], values: Float[Tensor, "*B J D"]
) -> tuple[Float[Tensor, "*B N 1"], Float[Tensor, "*B N 1"], Float[Tensor, "*B N D"]]:
    """m, z and o of the module's docstring, float32. Overwrites the scores. A row that sees nothing gets z = o = 0."""
    top = scores.amax(-1, keepdim=True).clamp_(min=torch.finfo(scores.dtype).min)
    weights = scores.sub_(top).exp_()
    return top, weights.sum(-1, keepdim=True), (weights.to(values.dtype) @ values).float()


def _capped(scores: Tensor, softcap: float | None) -> Tensor:
    return scores if softcap is None else (scores / softcap).tanh_() * softcap


AttentionInterface.register(NAME, branching_attention)


@contextmanager
def branching_in(model: PreTrainedModel) -> Iterator[None]:
    """Let the model attend through `branching_attention`; afterwards as before.

    transformers builds no mask for an attention that registers none: all masking is the Branching's.
    """
    before = str(model.config._attn_implementation)
    model.set_attn_implementation(NAME)
    if model.config._attn_implementation != NAME:
        raise UserError(
            f"policy: {type(model).__name__} does not attend through transformers' attention interface, so the "
            "embedded engine cannot share trunks in it; take a decoder-only model that does (Llama, Qwen, Mistral ...)"
        )
    try:
        yield
    finally:
        model.set_attn_implementation(before)
