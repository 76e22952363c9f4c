"""The sampling law: which token comes next, and with which probability. Pure functions of logits."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vineppo.types import Sampling


def sampling_logprobs(
    logits: Float[Tensor, "B V"], sampling: Sampling, forbidden: Int[Tensor, "F 2"] | None = None
) -> Float[Tensor, "B V"]:
    """Normalised log-probs after temperature, top-k and top-p (in this order); -inf where a token cannot come.

    `forbidden` holds (row, token) pairs to remove from that law; the rest is renormalised, so it is the law given that
    no forbidden token comes. Temperature 0 puts all mass on the likeliest token.

    Where top-k and top-p leave forbidden tokens only, the likeliest other one comes. A caller that knows the law asks
    for this only by rounding: a sum that reached top_p here fell just short of it when the trajectory was sampled.
    """
    logits = logits.float()
    if sampling.temperature == 0:
        return _likeliest(_without(logits, forbidden))
    whole = logits
    if sampling.temperature != 1:
        logits = logits / sampling.temperature
    if 0 < sampling.top_k < logits.shape[-1]:
        smallest_kept = logits.topk(sampling.top_k).values[:, -1:]
        logits = logits.masked_fill(logits < smallest_kept, -torch.inf)
    if sampling.top_p < 1:
        logits = _nucleus(logits, sampling.top_p)
    if forbidden is not None:
        logits = _without(logits, forbidden)
        emptied = logits.amax(-1, keepdim=True) == -torch.inf
        logits = torch.where(emptied, _likeliest(_without(whole, forbidden)), logits)
    return logits.log_softmax(-1)


def _nucleus(logits: Float[Tensor, "B V"], top_p: float) -> Float[Tensor, "B V"]:
    """Keep the likeliest tokens up to and including the one that brings their mass to top_p."""
    ordered, order = logits.sort(-1, descending=True)
    mass_before = ordered.softmax(-1).cumsum(-1).roll(1, -1)
    mass_before[:, 0].zero_()
    dropped = (mass_before >= top_p).scatter(-1, order, mass_before >= top_p)
    return logits.masked_fill(dropped, -torch.inf)


def _without(logits: Float[Tensor, "B V"], forbidden: Int[Tensor, "F 2"] | None) -> Float[Tensor, "B V"]:
    if forbidden is None:
        return logits
    return logits.index_put((forbidden[:, 0], forbidden[:, 1]), logits.new_tensor(-torch.inf))


def _likeliest(logits: Float[Tensor, "B V"]) -> Float[Tensor, "B V"]:
    """All mass on one token."""
    return torch.full_like(logits, -torch.inf).scatter(-1, logits.argmax(-1, keepdim=True), 0.0)


BLOCK = 512
"""Tokens of a large vocabulary whose masses are added up together."""


def draw(logprobs: Float[Tensor, "B V"], uniforms: Float[Tensor, " B"]) -> Int[Tensor, " B"]:
    """Inverse-CDF sampling: one uniform number in [0, 1) a row decides its token.

    In a large vocabulary it is sought among the masses of blocks and then in the block that is found: a sum that runs
    over all tokens, in float64, takes a GPU a third of a small model's step.
    """
    uniforms, vocabulary = uniforms.double()[:, None], logprobs.shape[-1]
    whole = vocabulary // BLOCK * BLOCK
    if whole < 2 * BLOCK:
        cumulative = logprobs.double().exp().cumsum(-1)
        return _reached(cumulative, uniforms * cumulative[:, -1:]).squeeze(-1)
    masses = logprobs.exp()
    blocks = masses[:, :whole].unflatten(-1, (-1, BLOCK)).sum(-1, dtype=torch.float64)
    rest = masses[:, whole:].sum(-1, keepdim=True, dtype=torch.float64)
    cumulative = torch.cat([torch.zeros_like(rest), blocks, rest], dim=-1).cumsum(-1)
    target = uniforms * cumulative[:, -1:]
    block = _reached(cumulative, target) - 1
    tokens = block * BLOCK + torch.arange(BLOCK, device=masses.device)
    inside = masses.gather(-1, tokens.clamp(max=vocabulary - 1)).double().masked_fill(tokens >= vocabulary, 0)
    place = _reached(inside.cumsum(-1), target - cumulative.gather(-1, block))
    return (block * BLOCK + place).squeeze(-1)


def _reached(cumulative: Float[Tensor, "B N"], target: Float[Tensor, "B 1"]) -> Int[Tensor, "B 1"]:
    """The first place that goes beyond the target; where rounding puts that at the end, the last that adds anything."""
    last = torch.searchsorted(cumulative, cumulative[:, -1:].contiguous())
    return torch.searchsorted(cumulative, target, right=True).minimum(last)


CHUNK = 2**25
"""Most entries of the law computed at once: with a large vocabulary, its copies in float64 would dwarf the model."""


def draw_tokens(
    logits: Float[Tensor, "N V"],
    sampling: Sampling,
    uniforms: np.ndarray,
    *,
    of: np.ndarray | None = None,
    forbidden: Sequence[tuple[int, ...]] | None = None,
    chunk: int = CHUNK,
) -> tuple[np.ndarray, np.ndarray]:
    """One token for each of B draws, and its log-prob under the sampling law.

    uniforms: [B] in [0, 1) decide the draws. of: [B] the row of `logits` each draw is from; None: row by row.
    forbidden: [B] tokens that each draw must not take.
    """
    device = logits.device
    rows = np.arange(len(uniforms)) if of is None else of
    tokens, logprobs = np.empty(len(uniforms), dtype=np.int64), np.empty(len(uniforms))
    several = max(1, chunk // logits.shape[-1])
    for start in range(0, len(uniforms), several):
        part = slice(start, start + several)
        drawn, likely = draw_part(
            logits[part] if of is None else logits[torch.from_numpy(rows[part]).to(device)],
            sampling,
            torch.from_numpy(uniforms[part]).to(device),
            None if forbidden is None else _pairs(forbidden[part], device),
        )
        tokens[part], logprobs[part] = drawn.cpu().numpy(), likely.cpu().numpy()
    return tokens, logprobs


def draw_part(
    logits: Float[Tensor, "B V"],
    sampling: Sampling,
    uniforms: Float[Tensor, " B"],
    forbidden: Int[Tensor, "F 2"] | None = None,
) -> tuple[Int[Tensor, " B"], Float[Tensor, " B"]]:
    """One token a row, and its log-prob under the sampling law; nothing leaves the device."""
    law = sampling_logprobs(logits, sampling, forbidden)
    drawn = draw(law, uniforms)
    return drawn, law.gather(-1, drawn[:, None]).squeeze(-1)


def _pairs(forbidden: Sequence[tuple[int, ...]], device: torch.device) -> Int[Tensor, "F 2"] | None:
    """(row, token) for each forbidden token."""
    pairs = [(row, token) for row, tokens in enumerate(forbidden) for token in tokens]
    return torch.tensor(pairs, device=device) if pairs else None


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def counter_uniforms(seeds: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Uniform numbers in [0, 1) that depend on (seed, position) alone: splitmix64 as a counter-based generator.

    Because no state is shared, a continuation's draws do not depend on what else is in its batch.
    """
    with np.errstate(over="ignore"):
        z = seeds.astype(np.uint64) + (positions.astype(np.uint64) + np.uint64(1)) * _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
