"""Which questions come next: what is asked of every way of choosing, and what it is built from. Torch-free."""

from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.curriculum.attempts import Examiner
from vineppo.curriculum.choice import Curriculum
from vineppo.environment import Environment
from vineppo.settings.sections import TrainingConfig
from vineppo.settings.strict import Variant
from vineppo.types import Question, Sampling


@dataclass(frozen=True, kw_only=True, slots=True)
class CurriculumParts:
    """What a curriculum may be built from."""

    questions: Sequence[Question]
    training: TrainingConfig
    environment: Environment
    sampling: Sampling
    """The law of trajectories."""

    @property
    def count(self) -> int:
        """Questions per iteration."""
        return self.training.questions

    @property
    def seed(self) -> int:
        """All randomness of the run derives from it."""
        return self.training.seed

    def examiner(self, attempts: int, *, branches: bool = False) -> Examiner:
        """Tries questions so many times each. branches: what it samples may become trajectories."""
        return Examiner(environment=self.environment, sampling=self.sampling, count=attempts, branches=branches)


class CurriculumSettings(Variant):
    """What every curriculum has, and is asked. One of yours says its `name` and `build`, and of the rest what differs.

    The questions have defaults for those that try nothing.
    """

    def build(self, parts: CurriculumParts) -> Curriculum:
        """The curriculum."""
        raise NotImplementedError(f"{type(self).__name__}.build")

    def responses(self, training: TrainingConfig) -> int:
        """Sampled each time it tries questions, beyond those that serve as trajectories."""
        return 0

    def times(self, iterations: int) -> int:
        """How often it does in so many iterations."""
        return iterations
