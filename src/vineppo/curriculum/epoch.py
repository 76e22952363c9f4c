"""Every question once before any comes again: a walk through permutations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vineppo.curriculum.choice import Choice, State
from vineppo.progress import Display
from vineppo.rng import derive_seed
from vineppo.types import Question


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """`count` of the questions, each time. A remainder that does not fill an iteration sits the epoch out: an
    iteration never straddles two permutations, where a question could come twice."""

    questions: Sequence[Question]
    count: int
    seed: int

    def choose(self, iteration: int, display: Display) -> Choice:
        """Walk on."""
        epoch, place = divmod(iteration - 1, len(self.questions) // self.count)
        order = np.random.default_rng(derive_seed(self.seed, "epoch", epoch)).permutation(len(self.questions))
        chosen = order[place * self.count : (place + 1) * self.count]
        return Choice(questions=[self.questions[index] for index in chosen])

    def state(self) -> State:
        """None: the seed and the iteration decide."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing to do."""
