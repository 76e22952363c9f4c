"""The losses, per token, over flat tensors [N] of response tokens. Pure; the caller sums and divides."""

import torch
from jaxtyping import Float
from torch import Tensor

WHITEN_EPSILON = 1e-8
KL_CLAMP = 10.0
"""Per-token k3 is clamped to [0, 10] as in the paper's code: one freak token must not decide an update."""


def whiten(advantages: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Mean 0 and variance 1 over all tokens given, which must be the whole minibatch's. A single one: only shifted."""
    centred = advantages - advantages.mean()
    if len(advantages) < 2:
        return centred
    return centred * torch.rsqrt(advantages.var() + WHITEN_EPSILON)


def ppo_clip_loss(
    logprobs: Float[Tensor, " N"], old_logprobs: Float[Tensor, " N"], advantages: Float[Tensor, " N"], *, clip: float
) -> Float[Tensor, " N"]:
    """-min(r A, clamp(r, 1 - clip, 1 + clip) A) with r = exp(new - old). Schulman et al., arXiv 1707.06347, eq. 7."""
    ratio = (logprobs - old_logprobs).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def k3(logprobs: Float[Tensor, " N"], reference_logprobs: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Schulman's k3 estimate of KL(policy || reference) at the sampled tokens: e^d - d - 1, d = reference - policy."""
    difference = reference_logprobs - logprobs
    return (difference.exp() - difference - 1).clamp(0, KL_CLAMP)


def value_loss(
    values: Float[Tensor, " N"],
    old_values: Float[Tensor, " N"],
    returns: Float[Tensor, " N"],
    *,
    clip: float | None,
) -> Float[Tensor, " N"]:
    """Half the squared error, the larger of the value's and of the value's clipped to near its old one."""
    error = (values - returns).square()
    if clip is not None:
        clipped = old_values + (values - old_values).clamp(-clip, clip)
        error = torch.maximum(error, (clipped - returns).square())
    return 0.5 * error
