"""Decoding many rows side by side. A row starts from a prefix of a trunk whose keys and values are already held."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from vineppo.engines.torch.cache import RowCache, TokenIds
from vineppo.engines.torch.law import counter_uniforms, draw, sampling_logprobs
from vineppo.types import Finish, Sampling

COMPACT_BELOW = 0.75
"""Rows that finished are dropped when fewer than this share still decode: copying the others costs about a step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One continuation to decode."""

    prefix: TokenIds
    trunk: Float[Tensor, "S H _ D"]
    """Keys and values of a sequence that starts with prefix[:-1]; the prefix's last token is the first input."""
    seed: int
    limit: int
    forbidden_first: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """What became of a row."""

    token_ids: TokenIds
    logprobs: tuple[float, ...]
    finish: Finish


OnFinish = Callable[[int, TokenIds, Float[Tensor, "S H T D"]], None]
"""Called with (row, all tokens but the last, their keys and values) when a row finishes."""


@torch.inference_mode()
def decode(
    model: PreTrainedModel,
    rows: Sequence[Row],
    *,
    sampling: Sampling,
    end_ids: Sequence[int],
    on_finish: OnFinish | None = None,
) -> list[Decoded]:
    """Sample every row until an end token or its limit."""
    device = model.device
    limits = np.array([row.limit for row in rows])
    seeds = np.array([row.seed for row in rows], dtype=np.uint64)
    starts = np.array([len(row.prefix) - 1 for row in rows])
    first_column = starts.max() - starts
    tokens = np.zeros((len(rows), limits.max()), dtype=np.int64)
    logprobs = np.zeros((len(rows), limits.max()), dtype=np.float64)
    lengths = np.zeros(len(rows), dtype=np.int64)

    cache = RowCache.branch([row.trunk for row in rows], starts.tolist(), room=min(64, int(limits.max())))
    forbidden = _forbidden(rows, device)
    alive = np.arange(len(rows))
    pending = torch.tensor([row.prefix[-1] for row in rows], device=device)
    step = 0
    while len(alive):
        if cache.is_full:
            cache = cache.grown()
        # Rows that finished stay for a while; their positions must not run past the model's context.
        positions = starts[alive] + np.minimum(step, limits[alive] - 1)
        logits = _next_logits(model, pending, cache, first_column[alive], positions)
        law = sampling_logprobs(logits, sampling, forbidden if step == 0 else None)
        uniforms = torch.from_numpy(counter_uniforms(seeds[alive], np.full(len(alive), step))).to(device)
        pending = draw(law, uniforms)
        tokens[alive, step] = pending.cpu().numpy()
        logprobs[alive, step] = law.gather(-1, pending[:, None]).squeeze(-1).cpu().numpy()
        step += 1
        over = np.isin(tokens[alive, step - 1], end_ids) | (step >= limits[alive])
        newly = over & (lengths[alive] == 0)
        lengths[alive[newly]] = step
        if on_finish is not None:
            for place in np.flatnonzero(newly):
                row = int(alive[place])
                held = cache.planes[:, place, :, first_column[row] : cache.get_seq_length()]
                on_finish(row, rows[row].prefix + tuple(tokens[row, : step - 1].tolist()), held)
        going = np.flatnonzero(lengths[alive] == 0)
        if len(going) < COMPACT_BELOW * len(alive) or not len(going):
            keep = torch.from_numpy(going).to(device)
            cache, pending, alive = cache.keep(keep), pending[keep], alive[going]
    return [_decoded(tokens[i, :n], logprobs[i, :n], end_ids) for i, n in enumerate(lengths)]


def _next_logits(
    model: PreTrainedModel, pending: Tensor, cache: RowCache, first_column: np.ndarray, positions: np.ndarray
) -> Tensor:
    """Feed one token a row. Rows are padded on the left, up to `first_column`."""
    columns = torch.arange(cache.get_seq_length() + 1, device=pending.device)
    return model(
        input_ids=pending[:, None],
        attention_mask=columns >= torch.from_numpy(first_column).to(pending.device)[:, None],
        position_ids=torch.from_numpy(positions).to(pending.device)[:, None],
        past_key_values=cache,
        use_cache=True,
    ).logits[:, -1]


def _forbidden(rows: Sequence[Row], device: torch.device) -> Tensor | None:
    """[F, 2] (row, token) pairs."""
    pairs = [(place, token) for place, row in enumerate(rows) for token in row.forbidden_first]
    return torch.tensor(pairs, device=device) if pairs else None


def _decoded(tokens: np.ndarray, logprobs: np.ndarray, end_ids: Sequence[int]) -> Decoded:
    return Decoded(
        token_ids=tuple(tokens.tolist()),
        logprobs=tuple(logprobs.tolist()),
        finish=Finish.TERMINATED if tokens[-1] in end_ids else Finish.TRUNCATED,
    )
