"""Which states of a long trajectory are worth measuring: segments of several steps, and where to cut one in two.

A segment is measured as if it were one step, and all its tokens get its advantage V(s_stop) - V(s_start). For the
values this changes nothing. For the policy gradient neither, as long as nobody knows at a cut what the trajectory does
after it (`spaced_bounds`): cuts are stopping times of the martingale V. Cuts that look ahead, at the whole response's
surprise (`segment_bounds`) or at where its value moves, bias it: a baseline must not know the token it is the baseline
of. Segments are of equal *surprise*, the negative log-prob of their tokens: where the policy is sure, states cost
nothing.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import fsum, sqrt

from vineppo.credit.coupled import Estimate, advantage_variance, following_probabilities
from vineppo.types import Scored

MOVED, ROUNDING = 1.0, 1e-6
"""A segment is cut if its advantage exceeds so many standard errors, and what rounding makes of 0. Few: to overlook a
step costs more than to look twice."""


def spaced_bounds(scored: Scored, stride: float) -> tuple[int, ...]:
    """The step bounds before which so much surprise has gathered since the last one; its first and last in any case."""
    start, stop, last = 0, len(scored.bounds) - 1, 0.0
    chosen = [scored.bounds[start]]
    for bound, so_far in zip(scored.bounds[1:stop], surprise(scored)[1:stop], strict=True):
        if so_far - last >= stride - ROUNDING:
            chosen.append(bound)
            last = so_far
    return (*chosen, scored.bounds[stop])


def segment_bounds(scored: Scored, segments: int) -> tuple[int, ...]:
    """All step bounds where leaving is as rare as `segments` can pay for, else at most so many segments."""
    bounds = scored.bounds
    if fsum(1 - following for following in following_probabilities(scored, bounds)) <= segments:
        return bounds
    rising = surprise(scored)
    goals = [rising[-1] * cut / segments for cut in range(1, segments)]
    return tuple(sorted({bounds[0], bounds[-1], *(bounds[_nearest(rising, goal)] for goal in goals)}))


def cut_where_it_moves(scored: Scored, bounds: Sequence[int], passed: Sequence[Estimate]) -> tuple[int, ...]:
    """The bounds, and one more in the middle of each segment whose advantage is clearly not 0."""
    following = following_probabilities(scored, bounds)
    cuts = [
        _middle(scored, start, stop)
        for (start, stop), (before, after), probability in zip(
            pairwise(bounds), pairwise(passed), following, strict=True
        )
        if abs(after.value - before.value) > ROUNDING + MOVED * sqrt(advantage_variance(before, after, probability))
    ]
    return tuple(sorted({*bounds, *cuts}))


def _middle(scored: Scored, start: int, stop: int) -> int:
    """The step bound inside that halves the surprise; `stop` where there is none."""
    inside = [bound for bound in scored.bounds if start <= bound <= stop]
    if len(inside) == 2:
        return stop
    rising = surprise(scored, inside)
    return inside[min(max(_nearest(rising, rising[-1] / 2), 1), len(inside) - 2)]


def surprise(scored: Scored, bounds: Sequence[int] | None = None) -> list[float]:
    """At each bound, since the first. bounds: of steps, unless others are given."""
    bounds = scored.bounds if bounds is None else bounds
    steps = [-fsum(scored.trajectory.logprobs[start:stop]) for start, stop in pairwise(bounds)]
    return list(accumulate(steps, initial=0.0))


def _nearest(rising: Sequence[float], goal: float) -> int:
    """Index of the number nearest to the goal."""
    place = bisect_left(rising, goal)
    return place - 1 if place == len(rising) or (place and goal - rising[place - 1] < rising[place] - goal) else place
