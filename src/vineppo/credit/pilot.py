"""A first look at long trajectories that decides where to measure them.

Coarse segments are measured with few rollouts, the segments whose value moves are cut in two, and so on until none
does. A rollout stays with the state it left, so each round samples only what the new states lack.

The pilot's rollouts decide and are then set aside: values are measured with fresh ones, so that given its decision they
are unbiased. Reusing them would favour cuts where chance made them look worth it.
"""

from collections.abc import Sequence

from vineppo.credit.coupled import coupled_values
from vineppo.credit.leaving import all_expected, draw_exits, group_rng, leave
from vineppo.credit.plan import Bounds
from vineppo.credit.segments import cut_where_it_moves, segment_bounds
from vineppo.credit.tree import Fork, Tree, grow
from vineppo.environment import Environment
from vineppo.rng import derive_seed
from vineppo.seams import Progress
from vineppo.types import Rollout, Sampling, Scored


class Look:
    """What is known of one question so far."""

    def __init__(self, group: Sequence[Scored], segments: int):
        self.group = group
        self.bounds: Bounds = tuple(segment_bounds(scored, segments) for scored in group)
        self.is_over = self.bounds == tuple(scored.bounds for scored in group)
        self._rollouts: dict[tuple[int, ...], list[Rollout]] = {}
        """By the state they left."""

    @property
    def rollouts(self) -> tuple[Rollout, ...]:
        """All that were sampled."""
        return tuple(rollout for own in self._rollouts.values() for rollout in own)

    @property
    def tokens(self) -> float:
        """Decoded, per trajectory."""
        return sum(len(rollout.completion.token_ids) for rollout in self.rollouts) / len(self.group)

    def left(self, fork: Fork) -> list[Rollout]:
        """The rollouts that left at a fork, before the next one."""
        return [rollout for exit in fork.exits for rollout in self._rollouts.get(exit.prefix, ())]

    def add(self, prefix: tuple[int, ...], rollouts: Sequence[Rollout]) -> None:
        """Rollouts that left a state."""
        self._rollouts.setdefault(prefix, []).extend(rollouts)

    def cut(self, tree: Tree, rollouts: float) -> None:
        """Cut where the value moves; over when it moves nowhere."""
        left = {place: self.left(fork) for place, fork in enumerate(tree.forks)}
        rewards = {place: [rollout.reward for rollout in own] for place, own in left.items() if own}
        estimates = coupled_values(tree, rollouts, rewards)
        finer = tuple(
            cut_where_it_moves(scored, bounds, [estimates[place] for place in route])
            for scored, bounds, route in zip(self.group, self.bounds, tree.routes, strict=True)
        )
        self.bounds, self.is_over = finer, finer == self.bounds


def look(
    environment: Environment,
    groups: Sequence[Sequence[Scored]],
    *,
    rollouts: float,
    segments: int,
    max_tokens: float | None,
    sampling: Sampling,
    seed: int,
    progress: Progress | None = None,
) -> list[Look]:
    """Per question, where to measure. Once it took `max_tokens` per trajectory, a question is cut no further."""
    looks = [Look(group, segments) for group in groups]
    rounds = 0
    while going := [own for own in looks if not own.is_over]:
        place = derive_seed(seed, "pilot", rounds)
        trees = [grow(own.group, own.bounds) for own in going]
        departures = [
            draw_exits(
                tree,
                all_expected(tree, rollouts),
                group_rng(own.group, place),
                [len(own.left(fork)) for fork in tree.forks],
            )
            for own, tree in zip(going, trees, strict=True)
        ]
        arrived = leave(
            environment, [own.group for own in going], departures, sampling=sampling, seed=place, progress=progress
        )
        for own, tree, drawn, new in zip(going, trees, departures, arrived, strict=True):
            for (_, exit, _), sampled in zip(drawn, new, strict=True):
                own.add(exit.prefix, sampled)
            own.cut(tree, rollouts)
            own.is_over |= max_tokens is not None and own.tokens > max_tokens
        rounds += 1
    return looks
