"""What a recipe may be built from."""

from collections.abc import Callable
from dataclasses import dataclass

from vineppo.credit.settings import CreditSettings
from vineppo.learner.build import Workshop
from vineppo.metrics import Metrics
from vineppo.policy import Policy
from vineppo.recipes.sampler import Sampler
from vineppo.seams import Progress
from vineppo.settings.sections import TrainingConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipeParts:
    """Put together by `vineppo.recipes.build`."""

    sampler: Sampler
    policy: Policy
    """Still the starting policy; it becomes the trained one."""
    workshop: Workshop
    """Makes the policy, its reference and a value network ready to be trained."""
    credit: CreditSettings
    training: TrainingConfig
    validate: Callable[[Progress], Metrics] | None
    """Evaluates the policy on the questions that `RecipeSettings.held_out` keeps back; None where there are none."""
