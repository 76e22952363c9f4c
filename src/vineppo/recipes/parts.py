"""What a recipe may be built from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vineppo.credit.settings import CreditSettings
from vineppo.learner.build import Workshop
from vineppo.metrics import Metrics
from vineppo.policy import Policy
from vineppo.recipes.sampler import Sampler
from vineppo.seams import Engine, Progress
from vineppo.settings.sections import TrainingConfig
from vineppo.types import Question


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipeParts:
    """Put together by `vineppo.recipes.build`."""

    sampler: Sampler
    policy: Policy
    """Still the starting policy; it becomes the trained one."""
    workshop: Workshop
    """Makes the policy, its reference and a value network ready to be trained."""
    credit: CreditSettings
    questions: Sequence[Question]
    """The training questions, without those held out."""
    folder: Path
    """The run directory, for what a recipe writes besides."""
    training: TrainingConfig
    open_engine: Callable[[Policy], Engine]
    """The run's kind of engine around another policy, e.g. an adviser's."""
    validate: Callable[[Progress], Metrics] | None
    """Evaluates the policy on the questions that `RecipeSettings.held_out` keeps back; None where there are none."""
