"""How the log-ratios of a response's tokens are pooled before the clip. Pure.

    token      z_t = l_t                                                   PPO
    sequence   z_t = mean_k l_k                                            GSPO, arXiv 2507.18071
    trace      z_t = sum_{k <= t} w(t, k) l_k                              GRPO-lambda, arXiv 2510.00194
               w(t, k) = decay^(t - k);  since_start: max(decay^(t - k), decay^k)

with l_t = log pi(token t) - log pi_old(token t), of response tokens counted from 0. The ratio that is clipped is
exp(z_t). Tokens that do not learn take no part, and are not counted in the mean. A pool is one sample: a branch is its
own.

At ratio 1 a trace multiplies token k's gradient by sum_{t >= k} w(t, k): early tokens weigh most, up to
1 / (1 - decay), or the response's length, times as much as the last. And clipping acts on the sum, so tokens deep in a
response are clipped when all before them drifted.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from vineppo.settings.learner import Ratio, Trace


def pooled(
    log_ratios: Float[Tensor, " N"], learning: Bool[Tensor, " N"], lengths: Sequence[int], ratio: Ratio
) -> Float[Tensor, " N"]:
    """The logarithm of what is clipped. lengths: of the samples, which lie one after the other."""
    if ratio == "token":
        return log_ratios
    taking_part = (log_ratios * learning).split(list(lengths))
    if ratio == "sequence":
        counts = [own.sum().clamp(min=1) for own in learning.split(list(lengths))]
        means = [(own.sum() / count).expand(len(own)) for own, count in zip(taking_part, counts, strict=True)]
        return torch.cat(means)
    rows = traced(pad_sequence(list(taking_part), batch_first=True), ratio)
    return torch.cat([row[:length] for row, length in zip(rows, lengths, strict=True)])


def traced(rows: Float[Tensor, "S T"], trace: Trace) -> Float[Tensor, "S T"]:
    """Each token's sum over those up to it."""
    recent = decaying(rows, trace.decay)
    if not trace.since_start:
        return recent
    # decay^(t - k) is the larger one from the middle m = ceil(t / 2) on, decay^k before it.
    at = torch.arange(rows.shape[1], device=rows.device)
    middle = (at + 1) // 2
    early = (rows * torch.pow(trace.decay, at)).cumsum(1)
    recent_before, early_before = pad(recent, (1, 0))[:, middle], pad(early, (1, 0))[:, middle]
    return recent - torch.pow(trace.decay, at - middle + 1) * recent_before + early_before


def decaying(rows: Float[Tensor, "S T"], decay: float) -> Float[Tensor, "S T"]:
    """z_t = l_t + decay z_{t-1}. By doubling: each round adds what lies twice as far back."""
    reach = 1
    while reach < rows.shape[1]:
        rows = rows + decay**reach * pad(rows, (reach, -reach))
        reach *= 2
    return rows
