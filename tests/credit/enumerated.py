"""The gradient of a policy that can be enumerated, and what credit methods make of it on average."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np
from tabular import LIMIT, PROMPT, Tabular

from vineppo.seams import CreditAssigner
from vineppo.types import Credit, Scored

Gradient = dict[tuple[int, ...], np.ndarray]
"""By response prefix: of the logits of what comes next."""


def true_gradient(policy: Tabular) -> Gradient:
    """grad V(root) with respect to the logits of every state: d(s) pi(a|s) (Q(s, a) - V(s)), by enumeration."""
    gradient: Gradient = {}
    ahead: list[tuple[tuple[int, ...], float]] = [((), 1.0)]
    while ahead:
        prefix, reached = ahead.pop()
        if policy.is_over(prefix) or len(prefix) == LIMIT:
            continue
        law = np.array(policy.law(PROMPT + prefix))
        after = np.array([policy.value((*prefix, token)) if chance else 0.0 for token, chance in enumerate(law)])
        gradient[prefix] = reached * law * (after - policy.value(prefix))
        ahead += [((*prefix, token), reached * chance) for token, chance in enumerate(law) if chance]
    return gradient


def gradient_of(policy: Tabular, group: Sequence[Scored], credits: Sequence[Credit]) -> Gradient:
    """What the learner follows: (1 / c) sum of A_t grad log p(token t), of trajectories and branches."""
    found: Gradient = defaultdict(lambda: np.zeros(3))

    def add(prefix: tuple[int, ...], tokens: Sequence[int], advantages: Sequence[float]) -> None:
        for token, advantage in zip(tokens, advantages, strict=True):
            found[prefix] += advantage / len(group) * (np.eye(3)[token] - policy.law(PROMPT + prefix))
            prefix = (*prefix, token)

    for own, credit in zip(group, credits, strict=True):
        add((), own.trajectory.response_ids, credit.advantages)
        for branch in credit.branches:
            before = own.trajectory.response_ids[: branch.position]
            add(before, branch.completion.token_ids, branch.advantages)
    return found


def sampled_gradients(
    policy: Tabular, assign: Callable[[Tabular], CreditAssigner], *, count: int, step: int, times: int
) -> tuple[Gradient, np.ndarray]:
    """The true gradient, and [times, coordinates] sampled ones in its order of states."""
    truth = true_gradient(policy)
    assigner = assign(policy)
    rows = []
    for seed in range(times):
        group = policy.trajectories(count, seed=seed, step=step)
        found = gradient_of(policy, group, assigner(group, seed=seed))
        rows.append(np.concatenate([found.get(prefix, np.zeros(3)) for prefix in truth]))
    return truth, np.array(rows)


def largest_z(policy: Tabular, truth: Gradient, rows: np.ndarray) -> float:
    """Of coordinates seen often enough to tell, those of rare tokens left out, and of random sums over all."""
    true = np.concatenate(list(truth.values()))
    common = np.concatenate([[min(filter(None, policy.law(PROMPT + prefix))) > 0.04] * 3 for prefix in truth])
    seen = common & ((rows != 0).mean(0) > 0.05)
    mixed = np.random.default_rng(0).normal(size=(len(true), 40)) / sqrt(len(true))
    errors = np.hstack([rows[:, seen] - true[seen], (rows - true) @ mixed])
    return float(np.max(np.abs(errors.mean(0)) / (errors.std(0) / sqrt(len(rows)))))
