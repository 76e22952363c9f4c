"""How sure a mean of rewards is, also where all of them agree.

n rewards with squared deviations S from their mean, believed to lie within a range r:

    Var(mean) = max(S / (n (n - 1)),  (S + r^2 / 2) / ((n + 1) (n + 2)),  (S + v) / n^2)          n = 0: r^2 / 4

The first is the usual one, without bias. It is 0 where all agree, which with few rollouts they often do by luck. There
the second is a posterior variance: of n successes and no failure under Jeffreys' prior Beta(1/2, 1/2) it would be
(n + 1/2) / (n + 1) times as much. In the third v, the variance of comparable rewards where some are known, is believed
as much as one reward. Of nothing it is a toss.
"""

from collections.abc import Iterable, Sequence
from math import fsum
from statistics import fmean


def reward_range(rewards: Iterable[float]) -> float:
    """How far apart rewards can be: 1 where all lie in [0, 1], else from the lowest to the highest seen and 0."""
    seen = list(rewards)
    low, high = min(seen, default=0.0), max(seen, default=1.0)
    return 1.0 if low >= 0 and high <= 1 else max(high, 0.0) - min(low, 0.0)


def mean_variance(rewards: Sequence[float], *, spread: float, alike: float = 0.0) -> float:
    """Of the mean of independent rewards. spread: their range r. alike: the variance v of others like them."""
    count = len(rewards)
    if not count:
        return spread**2 / 4
    mean = fmean(rewards)
    squares = fsum((reward - mean) ** 2 for reward in rewards)
    return max(
        squares / (count * (count - 1)) if count > 1 else 0.0,
        (squares + spread**2 / 2) / ((count + 1) * (count + 2)),
        (squares + alike) / count**2,
    )
