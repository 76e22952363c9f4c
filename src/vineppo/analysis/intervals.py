"""How sure a measured value is, and a change of value: one way from a standard error to an interval.

Rewards in [0, 1]: Wilson's score interval (1927) for a share p of n trials. Unlike the normal one it stays within
[0, 1], and does not shrink to nothing where p is 0 or 1.

    centre = (p + z^2 / 2n) / (1 + z^2 / n)        half = z / (1 + z^2 / n) * sqrt(p (1 - p) / n + z^2 / 4n^2)

n is the number of trials that such a standard error s comes from (`vineppo.credit.certainty`), need not be whole, and 0
where s says no more than that the value lies somewhere:

    s^2 = (n p (1 - p) + 1/2) / ((n + 1) (n + 2))

Other rewards: the normal interval.

A change d = b - a of two values with intervals [l, u]: Newcombe's hybrid (1998, method 10), with the correlation r that
makes the method's own standard error of the change out of those of the values (Zou and Donner 2008; without one r = 0,
as for independent values):

    [d - sqrt(x^2 - 2 r x y + y^2),  d + sqrt(x'^2 - 2 r x' y' + y'^2)]
    x = b - l_b,  y = u_a - a,  x' = u_b - b,  y' = a - l_a
"""

from collections.abc import Iterable
from math import sqrt

from vineppo.types import StateValue

Z95 = 1.959964
"""The normal quantile of a two-sided 95 % interval."""

Interval = tuple[float, float]
"""Lower and upper end."""


def wilson(share: float, trials: float) -> Interval:
    """95 % interval of a probability of which so many trials, above 0, had this share of successes."""
    z2 = Z95**2
    scale = 1 + z2 / trials
    centre = (share + z2 / (2 * trials)) / scale
    half = Z95 / scale * sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    # rounding must not push the value itself out
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def trials_behind(share: float, standard_error: float) -> float:
    """n, from 0 on, for a standard error above 0."""
    square, spread = standard_error**2, share * (1 - share)
    half = (spread - 3 * square) / 2
    return max(0.0, (half + sqrt(max(0.0, half**2 + square * (1 / 2 - 2 * square)))) / square)


def value_interval(value: float, standard_error: float | None, *, shares: bool) -> Interval | None:
    """95 % interval of a value; None where the method cannot say how sure it is. shares: rewards lie in [0, 1].

    An unbiased estimate may leave [0, 1] where the value itself cannot; its interval does not.
    """
    if standard_error is None:
        return None
    if standard_error == 0:
        return value, value
    if not shares:
        return value - Z95 * standard_error, value + Z95 * standard_error
    share = min(1.0, max(0.0, value))
    trials = trials_behind(share, standard_error)
    return wilson(share, trials) if trials > 0 else (0.0, 1.0)


def change_interval(before: StateValue, after: StateValue, standard_error: float | None, *, shares: bool) -> Interval:
    """95 % interval of after - before. standard_error: of the change, where the method knows it.

    Raises ValueError where the method cannot say how sure the values are.
    """
    of_before, of_after = (value_interval(own.value, own.standard_error, shares=shares) for own in (before, after))
    if of_before is None or of_after is None:
        raise ValueError("a change has an interval only where both values have standard errors")
    change, r = after.value - before.value, correlation(before, after, standard_error)
    down = _side(after.value - of_after[0], of_before[1] - before.value, r)
    up = _side(of_after[1] - after.value, before.value - of_before[0], r)
    low, high = change - down, change + up
    return (max(-1.0, low), min(1.0, high)) if shares else (low, high)


def correlation(before: StateValue, after: StateValue, standard_error: float | None) -> float:
    """Of the errors of two values, from that of their difference; 0 where it is not known."""
    first, second = before.standard_error or 0.0, after.standard_error or 0.0
    if standard_error is None or not first * second:
        return 0.0
    return min(1.0, max(-1.0, (first**2 + second**2 - standard_error**2) / (2 * first * second)))


def are_shares(values: Iterable[float]) -> bool:
    """Whether rewards and values can be read as chances of success."""
    return all(0 <= value <= 1 for value in values)


def _side(one: float, other: float, r: float) -> float:
    one, other = max(0.0, one), max(0.0, other)
    return sqrt(max(0.0, one**2 - 2 * r * one * other + other**2))
