"""The losses. Pure; the caller sums and divides.

Those of the PPO family are per token, over flat tensors [N] of response tokens; DPO-Positive's is per pair, [P].
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

KL_CLAMP = 10.0
"""Per-token k3 is clamped to [0, 10] as in the paper's code: one freak token must not decide an update."""


def ppo_clip_loss(
    log_ratios: Float[Tensor, " N"], advantages: Float[Tensor, " N"], *, clip: float
) -> Float[Tensor, " N"]:
    """-min(r A, clamp(r, 1 - clip, 1 + clip) A) with r = exp(log-ratio), which is new - old log-prob of a token, or of
    several pooled. Schulman et al., arXiv 1707.06347, eq. 7."""
    ratio = log_ratios.exp()
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


def dpo_positive_loss(
    chosen: Float[Tensor, " P"],
    rejected: Float[Tensor, " P"],
    *,
    beta: float,
    penalty: float,
) -> Float[Tensor, " P"]:
    """-log sigmoid(beta (chosen - rejected - penalty max(0, -chosen))), of log-ratios log pi(y) - log ref(y) of whole
    responses: DPO, and making the chosen response less probable than the reference does costs `penalty` times as much.

    Pal et al., "Smaug", arXiv 2402.13228 v2, eq. 3: the penalty stands inside the sigmoid, as in VinePPO's code (v1 had
    a bracket misplaced). penalty 0 is DPO (Rafailov et al., arXiv 2305.18290, eq. 7). Where the chosen response is as
    probable as before, the gradient is that of a less probable one: what was not yet given up is held on to.
    """
    return -logsigmoid(beta * (chosen - rejected - penalty * (-chosen).clamp(min=0)))
