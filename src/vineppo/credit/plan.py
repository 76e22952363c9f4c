"""Where to measure a question's trajectories and with how many rollouts, so that a token budget is kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.credit.leaving import affordable
from vineppo.credit.segments import segment_bounds
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


def fit(group: Sequence[Scored], bounds: Bounds, rollouts: float, token_budget: float | None) -> Plan:
    """K rollouts at the given bounds; fewer, down to 1, where the budget per trajectory asks for it; then fewer bounds.

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
