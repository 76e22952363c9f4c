"""What a question can teach, from the rewards of a few attempts at it.

    learnability = p (1 - p),  p: share of attempts that succeed

It is 0 where the policy always fails or always succeeds, and most at p = 1/2. For REINFORCE, RLOO, PPO and VinePPO the
expected squared gradient of a question is bounded by this variance of its reward (Foster et al., "Learning to Reason
at the Frontier of Learnability", arXiv 2502.12272). Rewards that are not 0 or 1 are taken as they are: learnability is
then their variance, of which p (1 - p) is the special case.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean, pvariance

from vineppo.metrics import Metrics

Rewards = Sequence[float]
"""[L] of the attempts at one question."""

QUARTERS = ((0.0, 0.25, "0_25"), (0.25, 0.5, "25_50"), (0.5, 0.75, "50_75"), (0.75, 1.0, "75_100"))


def learnability(rewards: Rewards) -> float:
    """Population variance of the rewards: p (1 - p) where they are 0 or 1, at most 1/4."""
    return pvariance(rewards)


def most_learnable_first(rewards: Mapping[str, Rewards], *, seed: int) -> list[str]:
    """Question ids by learnability. Equals, those that teach nothing among them, come in an order drawn from `seed`:
    the dataset's own order must not favour anyone."""
    import numpy as np  # late: settings that lie near must be quick to import

    ids = list(rewards)
    shuffled = [ids[index] for index in np.random.default_rng(seed).permutation(len(ids))]
    return sorted(shuffled, key=lambda id: -learnability(rewards[id]))


def success_metrics(rewards: Mapping[str, Rewards], chosen: Sequence[str]) -> Metrics:
    """How often the candidates were solved, and what the chosen of them can teach."""
    rates = [fmean(own) for own in rewards.values()]
    return {
        "curriculum/candidates": float(len(rates)),
        "curriculum/success_0": fmean(rate <= 0 for rate in rates),
        **{
            f"curriculum/success_{name}": fmean(_within(rate, low, high) for rate in rates)
            for low, high, name in QUARTERS
        },
        "curriculum/success_100": fmean(rate >= 1 for rate in rates),
        "curriculum/teaches_nothing": fmean(learnability(own) == 0 for own in rewards.values()),
        **({"curriculum/learnability": fmean(learnability(rewards[id]) for id in chosen)} if chosen else {}),
    }


def _within(rate: float, low: float, high: float) -> bool:
    """In a quarter of 0..1, its lower edge included, its ends 0 and 1 never: those have bins of their own."""
    return low <= rate < high and rate > 0
