"""Every question once before any comes again: a walk through permutations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vineppo.curriculum.choice import Choice, State
from vineppo.curriculum.settings import CurriculumParts, CurriculumSettings
from vineppo.rng import generator
from vineppo.types import Question

if TYPE_CHECKING:
    from vineppo.progress import Display


class EpochCurriculum(CurriculumSettings):
    """Every question once before any comes again, but for a remainder that does not fill an iteration."""

    name: Literal["epoch"] = "epoch"

    def build(self, parts: CurriculumParts) -> "Epoch":
        """The curriculum."""
        return Epoch(questions=parts.questions, count=parts.count, seed=parts.seed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """`count` of the questions, each time. A remainder that does not fill an iteration sits the epoch out: an
    iteration never straddles two permutations, where a question could come twice."""

    questions: Sequence[Question]
    count: int
    seed: int

    def choose(self, iteration: int, display: "Display") -> Choice:
        """Walk on."""
        epoch, place = divmod(iteration - 1, len(self.questions) // self.count)
        order = generator(self.seed, "epoch", epoch).permutation(len(self.questions))
        chosen = order[place * self.count : (place + 1) * self.count]
        return Choice(questions=[self.questions[index] for index in chosen])

    def state(self) -> State:
        """None: the seed and the iteration decide."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing to do."""
