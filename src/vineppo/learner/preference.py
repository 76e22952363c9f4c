"""Preferences between whole responses: the gradient of DPO-Positive.

The reference is the policy that sampled the pairs. It is scored before the first update, and only its scores are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vineppo.learner.batch import collate
from vineppo.learner.losses import dpo_positive_loss
from vineppo.learner.parallel import accumulating, backward
from vineppo.learner.passes import Passes
from vineppo.learner.scores import score
from vineppo.learner.shares import shares
from vineppo.metrics import Metrics
from vineppo.processes import ALONE, Processes
from vineppo.types import PromptAndResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two responses to one prompt."""

    chosen: PromptAndResponse
    rejected: PromptAndResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredPairs:
    """Pairs, and the log-probs of their responses under the reference."""

    pairs: Sequence[Pair]
    chosen: Float[Tensor, " P"]
    rejected: Float[Tensor, " P"]


def score_pairs(
    policy: nn.Module, pairs: Sequence[Pair], *, passes: Passes, processes: Processes = ALONE
) -> ScoredPairs:
    """Take the policy as it is now for the reference. A response that stands in many pairs is scored once."""
    distinct = list(dict.fromkeys(item for pair in pairs for item in (pair.chosen, pair.rejected)))
    sums = [tokens.sum() for tokens in score(policy, distinct, passes=passes, processes=processes)]
    reference = dict(zip(distinct, sums, strict=True))
    return ScoredPairs(
        pairs=pairs,
        chosen=torch.stack([reference[pair.chosen] for pair in pairs]),
        rejected=torch.stack([reference[pair.rejected] for pair in pairs]),
    )


def accumulate_preference(
    policy: nn.Module,
    scored: ScoredPairs,
    indices: Sequence[int],
    *,
    beta: float,
    penalty: float,
    passes: Passes,
    processes: Processes = ALONE,
    is_reference: bool = False,
) -> Metrics:
    """Add the gradient of these pairs' mean loss; return the loss and how far the pairs are apart.

    is_reference: no update was made since the pairs were scored. All log-ratios are 0 then, and are taken to be: scored
    in another batch they are 0 up to rounding, which would decide on which side of the penalty's kink a pair lies.
    """
    pairs = [scored.pairs[index] for index in indices]
    chosen, rejected = scored.chosen[list(indices)], scored.rejected[list(indices)]
    sums: dict[str, float] = {}
    # A pass holds both responses of each of its pairs, as rows: winners and losers have shapes of their own.
    half, winning = Passes(rows=max(1, passes.rows // 2)), [pair.chosen for pair in pairs]
    for share in shares(winning, range(len(pairs)), passes=half, processes=processes):
        own = share.indices
        with accumulating(policy, share):
            winners = sequence_logprobs(policy, [pairs[i].chosen for i in own])
            losers = sequence_logprobs(policy, [pairs[i].rejected for i in own])
            winners = winners - (winners.detach() if is_reference else chosen[own])
            losers = losers - (losers.detach() if is_reference else rejected[own])
            loss = dpo_positive_loss(winners, losers, beta=beta, penalty=penalty).sum() / len(pairs)
            backward(loss, share, processes)
        measured = {"loss/preference": loss.item(), **_rewards(winners.detach(), losers.detach(), beta, len(pairs))}
        sums = {name: sums.get(name, 0.0) + share.weight * value for name, value in measured.items()}
    return processes.sum(sums)


def sequence_logprobs(policy: nn.Module, items: Sequence[PromptAndResponse]) -> Float[Tensor, " B"]:
    """Log-prob of each whole response, end token included."""
    batch = collate(items, device=next(policy.parameters()).device)
    logprobs, _ = policy(batch)
    return torch.stack([part.sum() for part in logprobs.split([item.response_length for item in items])])


def _rewards(winners: Float[Tensor, " B"], losers: Float[Tensor, " B"], beta: float, total: int) -> Metrics:
    """DPO's implicit rewards, beta times the log-ratios, as shares of the means over `total` pairs; TRL's names."""
    means = {
        "rewards/chosen": beta * winners,
        "rewards/rejected": beta * losers,
        "rewards/margins": beta * (winners - losers),
        "rewards/accuracies": (winners > losers).float(),
        "rewards/penalised": (winners <= 0).float(),
    }
    return {name: values.sum().item() / total for name, values in means.items()}
