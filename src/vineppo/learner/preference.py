"""Preferences between whole responses: the gradient of DPO-Positive.

The reference is the policy that sampled the pairs. It is scored before the first update, and only its scores are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vineppo.learner.batch import collate
from vineppo.learner.learner import score
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.losses import dpo_positive_loss
from vineppo.learner.minibatches import micro_batches
from vineppo.metrics import Metrics
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


def score_pairs(policy: TokenLogprobs, pairs: Sequence[Pair], *, micro_batch: int) -> ScoredPairs:
    """Take the policy as it is now for the reference. A response that stands in many pairs is scored once."""
    distinct = list(dict.fromkeys(item for pair in pairs for item in (pair.chosen, pair.rejected)))
    sums = [tokens.sum() for tokens in score(policy, distinct, size=micro_batch)]
    reference = dict(zip(distinct, sums, strict=True))
    return ScoredPairs(
        pairs=pairs,
        chosen=torch.stack([reference[pair.chosen] for pair in pairs]),
        rejected=torch.stack([reference[pair.rejected] for pair in pairs]),
    )


def accumulate_preference(
    policy: TokenLogprobs,
    scored: ScoredPairs,
    indices: Sequence[int],
    *,
    beta: float,
    penalty: float,
    micro_batch: int,
) -> Metrics:
    """Add the gradient of these pairs' mean loss; return the loss and how far the pairs are apart."""
    pairs = [scored.pairs[index] for index in indices]
    chosen, rejected = scored.chosen[list(indices)], scored.rejected[list(indices)]
    sums: dict[str, float] = {}
    # A micro-batch holds both responses of each of its pairs.
    for micro in micro_batches([pair.chosen for pair in pairs], range(len(pairs)), size=max(1, micro_batch // 2)):
        winners = sequence_logprobs(policy, [pairs[i].chosen for i in micro]) - chosen[micro]
        losers = sequence_logprobs(policy, [pairs[i].rejected for i in micro]) - rejected[micro]
        loss = dpo_positive_loss(winners, losers, beta=beta, penalty=penalty).sum() / len(pairs)
        loss.backward()
        measured = {"loss/preference": loss.item(), **_rewards(winners.detach(), losers.detach(), beta, len(pairs))}
        sums = {name: sums.get(name, 0.0) + value for name, value in measured.items()}
    return sums


def sequence_logprobs(policy: TokenLogprobs, items: Sequence[PromptAndResponse]) -> Float[Tensor, " B"]:
    """Log-prob of each whole response, end token included."""
    batch = collate(items, device=policy.model.device)
    logprobs, _ = policy(batch.token_ids, batch.attention_mask, batch.rows, batch.columns)
    return torch.stack([part.sum() for part in logprobs.split([item.response_length for item in items])])


def _rewards(winners: Float[Tensor, " B"], losers: Float[Tensor, " B"], beta: float, total: int) -> Metrics:
    """DPO's implicit rewards, beta times the log-ratios, as shares of the means over `total` pairs; TRL's names."""
    means = {
        "rewards/chosen": beta * winners,
        "rewards/rejected": beta * losers,
        "rewards/margins": beta * (winners - losers),
        "rewards/accuracies": (winners > losers).float(),
        "rewards/penalised": (winners < 0).float(),
    }
    return {name: values.sum().item() / total for name, values in means.items()}
