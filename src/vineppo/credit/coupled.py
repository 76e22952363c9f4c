"""Coupled vines: only what happens once the policy leaves the known trajectories has to be sampled.

The trajectories of a question form a tree (`vineppo.credit.tree`). From a state s the policy follows the tree to a next
state s_j with a probability P_j that is known exactly, a product of the sampled tokens' probabilities, or it leaves:

    V(s) = sum_j P_j V(s_j) + (1 - sum_j P_j) D(s)            V(end of a trajectory) = its reward R

D(s), the value given that the policy leaves before a next state, is the mean reward of n rollouts that do: they follow
the tree to an exit, drawn with its exact probability, take a first token from the sampling law without the tokens known
there, and go on freely. For one trajectory alone this is

    V(s_k) = P_k V(s_{k+1}) + (1 - P_k) D_k        A_k = V(s_{k+1}) - V(s_k) = (1 - P_k) (V(s_{k+1}) - D_k)

so a step that the policy would have written anyway gets next to no credit, with next to no noise.

A state gets n = K sqrt(c) (1 - sum_j P_j) rollouts, rounded at random, where c trajectories pass it: D(s) enters c
advantages with the weight 1 - sum_j P_j, and so split, rollouts serve the sum of squared errors best. Where n < 1 there
is mostly none, and D is B = sum_j P_j V(s_j) / sum_j P_j, the value of staying; the one rollout that comes with
probability n counts 1 / n times: D = B + (r - B) / n.

Given the trajectories, V(s) is unbiased: the P_j and n are known numbers, and how n is rounded, how the rollouts end
and the V(s_j) are independent of each other. This assumes that trajectories and rollouts follow one law. Hence also

    Var V(s) = sum_j P_j^2 Var V(s_j) + (1 - sum_j P_j)^2 Var(R | leaving) / n        where n >= 1
    Var A_k  = Var V(s_k) + (1 - 2 P_k) Var V(s_{k+1})                                = Var V(s_{k+1}) - V(s_k)

Where all rollouts agree, or none was sampled, that variance is not 0 (`vineppo.credit.certainty`).

Prior work: tree-backup (Precup, Sutton, Singh 2000) has the identity for one action, with learned values of the others;
MAPO (arXiv 1807.02322) and sum-and-sample gradients (arXiv 1810.04777) split an expectation into an exactly weighted
part and a sampled rest; Forking Paths (arXiv 2412.07961) samples what follows after leaving a text, for analysis.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import exp, fsum, sqrt
from statistics import fmean, pvariance

from vineppo.credit.certainty import mean_variance, reward_range
from vineppo.credit.leaving import expected_rollouts
from vineppo.credit.spread import spread
from vineppo.credit.tree import Fork, Tree
from vineppo.credit.vine import step_advantages
from vineppo.types import Credit, Rollout, Scored, StateValue


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A value and what is believed of its variance."""

    value: float
    variance: float


def coupled_values(tree: Tree, rollouts: float, rewards: Mapping[int, Sequence[float]]) -> list[Estimate]:
    """Per fork, ends first, from K and the rewards of the rollouts that left at it (none: it has no entry)."""
    ends = [fork.reward for fork in tree.forks if fork.reward is not None]
    seen = [*ends, *(reward for own in rewards.values() for reward in own)]
    noise = partial(mean_variance, spread=reward_range(seen), alike=pvariance(seen))
    estimates: list[Estimate] = []
    for place, fork in enumerate(tree.forks):
        estimates.append(_estimate(fork, estimates, rewards.get(place, ()), expected_rollouts(fork, rollouts), noise))
    return estimates


def _estimate(
    fork: Fork,
    after: Sequence[Estimate],
    rewards: Sequence[float],
    expected: float,
    noise: Callable[[Sequence[float]], float],
) -> Estimate:
    """One fork. noise: the variance of the mean of some rewards."""
    if fork.reward is not None:
        return Estimate(value=fork.reward, variance=0.0)
    leaving, staying = fork.leaving, estimate_staying(fork, after)
    if not leaving:
        return staying
    times = max(1.0, 1 / expected)  # how often each rollout counts
    value = staying.value + leaving * times * (fmean(rewards) - staying.value) if rewards else staying.value
    variance = ((1 - leaving) ** 2 + leaving**2 * (times - 1)) * staying.variance + leaving**2 * times * noise(rewards)
    return Estimate(value=value, variance=variance)


def estimate_staying(fork: Fork, after: Sequence[Estimate]) -> Estimate:
    """B, the value given that the policy follows the tree from a fork to a next one."""
    followed = fsum(path.probability for path in fork.paths)
    shares = [(path.probability / followed, after[path.to]) for path in fork.paths if followed]
    return Estimate(
        value=fsum(share * estimate.value for share, estimate in shares),
        variance=fsum(share**2 * estimate.variance for share, estimate in shares),
    )


def advantage_variance(before: Estimate, after: Estimate, following: float) -> float:
    """Of V(s_{k+1}) - V(s_k), where the policy follows from s_k to s_{k+1} with the given probability."""
    return max(0.0, before.variance + (1 - 2 * following) * after.variance)


def following_probabilities(scored: Scored, bounds: Sequence[int]) -> list[float]:
    """[N] P_k, the product of each segment's token probabilities."""
    return [exp(fsum(scored.trajectory.logprobs[start:stop])) for start, stop in pairwise(bounds)]


def coupled_credit(
    scored: Scored,
    bounds: Sequence[int],
    passed: Sequence[Estimate],
    rollouts: Sequence[tuple[Rollout, ...]],
) -> Credit:
    """Credit of one trajectory from the estimates at its bounds [N + 1] and the rollouts that left there."""
    values = [
        StateValue(position=position, value=own.value, standard_error=sqrt(own.variance), rollouts=left)
        for position, own, left in zip(bounds, passed, rollouts, strict=True)
    ]
    errors = [
        sqrt(advantage_variance(before, after, following))
        for (before, after), following in zip(pairwise(passed), following_probabilities(scored, bounds), strict=True)
    ]
    return Credit(
        advantages=spread(step_advantages([own.value for own in passed]), bounds),
        standard_errors=spread(errors, bounds),
        values=tuple(values),
    )
