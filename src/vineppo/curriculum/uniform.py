"""Questions drawn anew each iteration, all equally likely."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vineppo.curriculum.choice import Choice, State
from vineppo.curriculum.settings import CurriculumParts, CurriculumSettings
from vineppo.rng import generator
from vineppo.types import Question

if TYPE_CHECKING:
    from vineppo.progress import Display


class UniformCurriculum(CurriculumSettings):
    """Drawn anew each iteration."""

    name: Literal["uniform"] = "uniform"

    def build(self, parts: CurriculumParts) -> "Uniform":
        """The curriculum."""
        return Uniform(questions=parts.questions, count=parts.count, seed=parts.seed)


def draw(questions: Sequence[Question], *, count: int, seed: int, iteration: int) -> list[Question]:
    """`count` distinct questions; which ones depends on (seed, iteration) alone."""
    rng = generator(seed, "uniform", iteration)
    return [questions[index] for index in rng.choice(len(questions), size=count, replace=False)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Uniform:
    """`count` of the questions, each time."""

    questions: Sequence[Question]
    count: int
    seed: int

    def choose(self, iteration: int, display: "Display") -> Choice:
        """Draw."""
        return Choice(questions=draw(self.questions, count=self.count, seed=self.seed, iteration=iteration))

    def state(self) -> State:
        """None: the seed and the iteration decide."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing to do."""
