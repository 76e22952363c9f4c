"""Questions drawn anew each iteration, all equally likely."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vineppo.curriculum.choice import Choice, State
from vineppo.progress import Display
from vineppo.rng import derive_seed
from vineppo.types import Question


def draw(questions: Sequence[Question], *, count: int, seed: int, iteration: int) -> list[Question]:
    """`count` distinct questions; which ones depends on (seed, iteration) alone."""
    rng = np.random.default_rng(derive_seed(seed, "uniform", iteration))
    return [questions[index] for index in rng.choice(len(questions), size=count, replace=False)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Uniform:
    """`count` of the questions, each time."""

    questions: Sequence[Question]
    count: int
    seed: int

    def choose(self, iteration: int, display: Display) -> Choice:
        """Draw."""
        return Choice(questions=draw(self.questions, count=self.count, seed=self.seed, iteration=iteration))

    def state(self) -> State:
        """None: the seed and the iteration decide."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing to do."""
