"""From credit to the policy gradient of each question.

    (1/c) sum over its c trajectories, and the branches that left them, of sum_t A_t grad log pi(token t | before it)

pi is the whole law, for a branch's first token, too.
"""

from collections.abc import Sequence

import numpy as np

from chain_map.family import Chain, softmax
from vineppo.types import Credit, Scored


def question_gradients(
    chain: Chain, logits: np.ndarray, trajectories: Sequence[Scored], credits: Sequence[Credit], group: int
) -> np.ndarray:
    """[questions, rows, options], for groups of equal size that lie one after the other."""
    owners = [index // group for index in range(len(trajectories))]
    tokens = [scored.trajectory.response_ids for scored in trajectories]
    advantages = [credit.advantages for credit in credits]
    for owner, scored, credit in zip(list(owners), trajectories, credits, strict=True):
        for branch in credit.branches:
            before = scored.trajectory.response_ids[: branch.position]
            owners.append(owner)
            tokens.append(before + branch.completion.token_ids)
            advantages.append((0.0,) * branch.position + branch.advantages)
    given = np.array(advantages)[:, : chain.length - 1 : chain.tokens_per_step]
    options = chain.options_of(np.array(tokens))
    rows = chain.rows[np.arange(chain.decisions), chain.states(options)[:, :-1]]
    shape = (len(trajectories) // group, int(chain.rows.max()) + 1, chain.options)
    at = np.ravel_multi_index((np.array(owners)[:, None], rows, options), shape)
    taken = np.bincount(at.ravel(), weights=given.ravel(), minlength=int(np.prod(shape))).reshape(shape)
    return (taken - taken.sum(axis=2, keepdims=True) * softmax(logits)) / group
