"""How many rollouts leave a tree of trajectories, and where: decided by probabilities alone, never by a reward."""

import random
from collections import Counter
from collections.abc import Sequence
from math import floor, fsum, sqrt

from vineppo.credit.tree import Exit, Fork, Tree
from vineppo.environment import Environment, State
from vineppo.rng import derive_seed
from vineppo.seams import Progress
from vineppo.types import Rollout, Sampling, Scored

Departure = tuple[int, Exit, int]
"""(fork, exit, how many rollouts leave there)"""


def expected_rollouts(fork: Fork, rollouts: float) -> float:
    """n = K sqrt(c) (1 - sum_j P_j): see `vineppo.credit.coupled`."""
    return rollouts * sqrt(fork.visits) * fork.leaving


def all_expected(tree: Tree, rollouts: float) -> list[float]:
    """Of each fork."""
    return [expected_rollouts(fork, rollouts) for fork in tree.forks]


def expected_tokens(tree: Tree, rollouts: float) -> float:
    """Of all rollouts that leave a tree, each assumed as long as the trajectory it left went on."""
    return rollouts * fsum(
        sqrt(fork.visits) * exit.probability * exit.remaining for fork in tree.forks for exit in fork.exits
    )


def affordable(tree: Tree, rollouts: float, tokens: float | None) -> float:
    """K, or less where that would cost more tokens than there are."""
    each = expected_tokens(tree, 1.0)
    return rollouts if tokens is None or rollouts * each <= tokens else tokens / each


def draw_exits(
    tree: Tree, expected: Sequence[float], rng: random.Random, there: Sequence[int] | None = None
) -> list[Departure]:
    """Round each fork's expected n at random, so that it is right on average, and draw exits.

    there: rollouts a fork has already.
    """
    drawn: list[Departure] = []
    for place, (fork, count) in enumerate(zip(tree.forks, expected, strict=True)):
        count = floor(count + rng.random()) - (there[place] if there else 0)
        if count > 0:
            weights = [exit.probability for exit in fork.exits]
            chosen = Counter(rng.choices(range(len(weights)), weights=weights, k=count))
            drawn += [(place, fork.exits[which], times) for which, times in chosen.items()]
    return drawn


def leave(
    environment: Environment,
    groups: Sequence[Sequence[Scored]],
    departures: Sequence[Sequence[Departure]],
    *,
    sampling: Sampling,
    seed: int,
    progress: Progress | None = None,
) -> list[list[tuple[Rollout, ...]]]:
    """Per question and departure, its rollouts."""
    states = [
        State(
            question=group[0].trajectory.question,
            prompt_ids=group[0].trajectory.prompt_ids,
            response_ids=exit.prefix,
            avoid=exit.known,
        )
        for group, own in zip(groups, departures, strict=True)
        for _, exit, _ in own
    ]
    counts = [times for own in departures for _, _, times in own]
    sampled = iter(
        environment.rollouts(states, count=counts, sampling=sampling, seed=seed, stratified=True, progress=progress)
    )
    return [[next(sampled) for _ in own] for own in departures]


def by_fork(departures: Sequence[Departure], rollouts: Sequence[tuple[Rollout, ...]]) -> dict[int, tuple[Rollout, ...]]:
    """All that left at each fork."""
    left: dict[int, tuple[Rollout, ...]] = {}
    for (place, _, _), own in zip(departures, rollouts, strict=True):
        left[place] = (*left.get(place, ()), *own)
    return left


def group_rng(group: Sequence[Scored], seed: int) -> random.Random:
    """A question's own."""
    return random.Random(derive_seed(seed, "exits", group[0].trajectory.question.id))
