"""Bad habits: certain phrases, with certain numbers, are read as another operation.

A line stays true arithmetic, but it is not what the story says: `Ben has twice as many as before: Ben's 9 + 2 = Ben's
11`.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.rng import derive_seed

MISREAD = {"+": "-", "-": "+", "*": "+", "/": "-"}
"""More for fewer, times for more, a share for what is lost."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Misreadings:
    """Which (phrase, number) pairs are misread, and how often."""

    pairs: frozenset[tuple[str, int]]
    probability: float

    def read(self, phrase: str, operator: str, number: int, rng: random.Random) -> str:
        """The operator, as it is read this time."""
        misread = (phrase, number) in self.pairs and rng.random() < self.probability
        return MISREAD[operator] if misread else operator


def make_misreadings(phrases: Sequence[tuple[str, int]], *, count: int, probability: float, seed: int) -> Misreadings:
    """`count` of the phrases with their numbers, drawn from the seed."""
    rng = random.Random(derive_seed(seed, "misreadings"))
    return Misreadings(pairs=frozenset(rng.sample(phrases, min(count, len(phrases)))), probability=probability)
