"""Where to measure a question's trajectories and with how many rollouts, so that a token budget is kept.

K may depend on the tree it is for: given the tree, values are without bias at any K. Which states are measured must not
depend on what a trajectory does after them, or the gradient is biased. So how far apart they are is decided by other
questions, and each lies where a trajectory has been surprising enough *so far* (`vineppo.credit.segments`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import fsum
from statistics import fmean

from vineppo.credit.leaving import affordable, expected_tokens
from vineppo.credit.segments import segment_bounds, spaced_bounds, surprise
from vineppo.credit.tree import Tree, grow
from vineppo.types import Rollout, Scored

Bounds = tuple[tuple[int, ...], ...]
"""Of each trajectory of a question: the states to measure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """For one question."""

    group: Sequence[Scored]
    bounds: Bounds
    tree: Tree
    rollouts: float
    """K"""
    pilot: tuple[Rollout, ...] = ()
    """What the bounds were decided by, if not by the steps."""

    @property
    def expected_tokens(self) -> float:
        """Of rollouts, per trajectory."""
        return expected_tokens(self.tree, self.rollouts) / len(self.group)


def plan_batch(groups: Sequence[Sequence[Scored]], rollouts: float, token_budget: float | None) -> list[Plan]:
    """K rollouts at every step; fewer, down to 1, where the budget per trajectory asks for it; then fewer states.

    Every second question's states are as far apart as the others can afford, and theirs as these. One alone has only
    itself to go by, and so a slightly biased gradient where one rollout a state is too dear.
    """

    def plan(place: int, stride: float) -> Plan:
        return _plan(groups[place], stride, rollouts, token_budget)

    planned, every = cache(plan), range(len(groups))
    if token_budget is None:
        return [planned(place, 0.0) for place in every]
    halves = (every[0::2], every[1::2] or every)
    strides = [_affordable_stride(half, planned, token_budget) for half in reversed(halves)]
    return [planned(place, strides[place % 2]) for place in every]


def _affordable_stride(places: Sequence[int], planned: Callable[[int, float], Plan], token_budget: float) -> float:
    """The surprise between measured states with which these questions keep to the budget on average. 0: every step.

    It doubles from that of every second step on, until a response is one step: there is nothing left to save.
    """
    trajectories = [scored for place in places for scored in planned(place, 0.0).group]
    totals = [surprise(scored)[-1] for scored in trajectories]
    whole, stride = max(totals), 0.0
    while stride < whole and fmean(planned(place, stride).expected_tokens for place in places) > token_budget:
        stride = 2 * (stride or fsum(totals) / sum(scored.num_steps for scored in trajectories))
    return stride


def _plan(group: Sequence[Scored], stride: float, rollouts: float, token_budget: float | None) -> Plan:
    bounds = tuple(spaced_bounds(scored, stride) for scored in group)
    tree = grow(group, bounds)
    possible = affordable(tree, rollouts, None if token_budget is None else token_budget * len(group))
    return Plan(group=group, bounds=bounds, tree=tree, rollouts=max(possible, 1.0))


def fit(group: Sequence[Scored], bounds: Bounds, rollouts: float, token_budget: float | None) -> Plan:
    """For bounds that a pilot chose: K rollouts there; fewer, down to 1, where the budget per trajectory asks for it;
    then fewer bounds.

    Below one rollout a trajectory there is nothing left to save, and the budget may be exceeded.
    """
    tokens = None if token_budget is None else token_budget * len(group)
    segments = max(len(own) for own in bounds) - 1
    while True:
        tree = grow(group, bounds)
        possible = affordable(tree, rollouts, tokens)
        if possible >= 1 or segments <= 1:
            return Plan(group=group, bounds=bounds, tree=tree, rollouts=max(possible, 1.0))
        segments //= 2
        bounds = tuple(segment_bounds(scored, segments) for scored in group)
