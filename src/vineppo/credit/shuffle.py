"""The control arm: the same advantages, dealt at random to the steps of their response.

What a method still gains so, it does not owe to knowing which step earned the reward. Where all tokens of a step have
one advantage, steps swap theirs; where tokens have their own, the tokens do. Branches keep theirs: they are responses
of their own.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from vineppo.credit.spread import spread
from vineppo.rng import derive_seed
from vineppo.seams import CreditAssigner, Progress
from vineppo.types import Credit, Scored


def shuffled(credit: Credit, scored: Scored, rng: random.Random) -> Credit:
    """One response's. Its values, standard errors and returns stay: they say what was measured."""
    steps = [credit.advantages[start:stop] for start, stop in pairwise(scored.bounds)]
    if all(len(set(own)) == 1 for own in steps):
        dealt = rng.sample([own[0] for own in steps], len(steps))
        return replace(credit, advantages=spread(dealt, scored.bounds))
    return replace(credit, advantages=tuple(rng.sample(credit.advantages, len(credit.advantages))))


class Dealt:
    """A method whose credit is dealt at random. deal: what one response and its branches have."""

    def __init__(self, assign: CreditAssigner, deal: Callable[[Credit, Scored, random.Random], Credit] = shuffled):
        self._assign, self._deal = assign, deal

    def __call__(self, trajectories: Sequence[Scored], *, seed: int, progress: Progress | None = None) -> list[Credit]:
        """Credit, then shuffle."""
        credits = self._assign(trajectories, seed=seed, progress=progress)
        return [
            self._deal(credit, scored, random.Random(derive_seed(seed, "shuffle", place)))
            for place, (credit, scored) in enumerate(zip(credits, trajectories, strict=True))
        ]
