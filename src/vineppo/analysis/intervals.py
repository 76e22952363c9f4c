"""How sure a measured value is, and a change of value.

Wilson's score interval (1927) for a share of successes: unlike the normal one it does not shrink to nothing when all K
rollouts agree, which with small K they often do by luck.

    centre = (p + z^2 / 2K) / (1 + z^2 / K)        half = z / (1 + z^2 / K) * sqrt(p (1 - p) / K + z^2 / 4K^2)

Newcombe's hybrid (1998, method 10) for a difference d of two values with intervals [l, u], estimated independently:

    [d - sqrt((a - l_a)^2 + (u_b - b)^2),  d + sqrt((u_a - a)^2 + (b - l_b)^2)],    d = a - b

Where the two estimates are positively correlated the true interval is narrower, so this one errs on the safe side.
"""

from math import isclose, sqrt
from statistics import fmean, variance

from vineppo.types import StateValue

Z95 = 1.959964
"""The normal quantile of a two-sided 95 % interval."""

Interval = tuple[float, float]
"""Lower and upper end."""


def wilson(successes: float, trials: int) -> Interval:
    """95 % interval of a probability after `trials` >= 1."""
    share, z2 = successes / trials, Z95**2
    scale = 1 + z2 / trials
    centre = (share + z2 / (2 * trials)) / scale
    half = Z95 / scale * sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    # rounding must not push the value itself out
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def is_counted(state: StateValue) -> bool:
    """Whether the value is a share of independent successes, or known exactly."""
    if not state.rollouts:
        return state.standard_error == 0
    rewards = [rollout.reward for rollout in state.rollouts]
    # a method that weighs rollouts otherwise has another mean or another standard error
    plain = None if len(rewards) == 1 else sqrt(variance(rewards) / len(rewards))
    same_error = plain is None or state.standard_error is None or isclose(state.standard_error, plain, abs_tol=1e-9)
    return set(rewards) <= {0.0, 1.0} and isclose(state.value, fmean(rewards), abs_tol=1e-9) and same_error


def value_interval(state: StateValue) -> Interval | None:
    """95 % interval of a state's value; None where the method cannot say.

    Wilson's where successes were counted, else the normal interval of the standard error.
    """
    if state.rollouts and is_counted(state):
        return wilson(sum(rollout.reward for rollout in state.rollouts), len(state.rollouts))
    return None if state.standard_error is None else normal(state.value, state.standard_error)


def advantage_interval(before: StateValue, after: StateValue, standard_error: float | None) -> Interval | None:
    """95 % interval of the change from one state to the next; None where the method cannot say.

    Newcombe's where successes were counted, else the normal one of the method's own standard error of the change; where
    it has none, from the intervals of both values as if they were independent.
    """
    if standard_error is not None and not (is_counted(before) and is_counted(after)):
        return normal(after.value - before.value, standard_error)
    of_before, of_after = value_interval(before), value_interval(after)
    if of_before is None or of_after is None:
        return None
    return change_interval(before.value, of_before, after.value, of_after)


def normal(value: float, standard_error: float) -> Interval:
    """95 % interval of a value whose error is normal."""
    return value - Z95 * standard_error, value + Z95 * standard_error


def change_interval(before: float, of_before: Interval, after: float, of_after: Interval) -> Interval:
    """Newcombe's 95 % interval of after - before."""
    change = after - before
    down = sqrt((after - of_after[0]) ** 2 + (of_before[1] - before) ** 2)
    up = sqrt((of_after[1] - after) ** 2 + (before - of_before[0]) ** 2)
    return change - down, change + up
