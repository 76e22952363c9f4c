"""The whole algorithm: the settings of `recipe`, one class per method.

How many iterations, questions and responses there are stands in `training`, for every recipe; the optimizer's settings
stand in `learner`. What a recipe does not mention there (`credit`, `learner.clip`, ...) is policy_iteration's.
"""

from typing import Annotated, Literal

from pydantic import Field

from vineppo.config.strict import Strict


class PolicyIterationRecipe(Strict):
    """The PPO family: sample, credit, update; `credit` says who earned the reward."""

    name: Literal["policy_iteration"] = "policy_iteration"


class RestEmRecipe(Strict):
    """RestEM: finetune the starting policy on the responses the judge accepts, sample from the result, repeat."""

    name: Literal["rest_em"] = "rest_em"
    accept: float = 1.0
    """A response that ended by itself is accepted from this reward on."""
    kept: int = Field(default=10, ge=1)
    """Distinct accepted responses of one question, at most."""
    epochs: int = Field(default=8, ge=1)
    """Passes over the kept responses, at most; takes the place of learner.epochs."""
    validation_questions: int = Field(default=500, ge=0)
    """Held out of the training questions: the epoch that does best on them is taken; 0: the last epoch."""
    patience: int | None = Field(default=None, ge=1)
    """Stop after so many epochs without a new best; none: go through all epochs, then take the best."""


class DpoPositiveRecipe(Strict):
    """DPO-Positive: prefer accepted responses to rejected ones, and never make an accepted one less probable."""

    name: Literal["dpo_positive"] = "dpo_positive"
    accept: float = 0.5
    """A response that ended by itself is accepted from this reward on; all others are rejected."""
    pairs: int = Field(default=64, ge=1)
    """Pairs of one question, at most; drawn from all there are."""
    epochs: int = Field(default=3, ge=1)
    """Passes over the pairs; takes the place of learner.epochs. learner.minibatch counts pairs."""
    beta: float = Field(default=0.1, gt=0)
    """Sharpness of the preference: larger values keep the policy nearer to the one that sampled."""
    penalty: float = Field(default=50.0, ge=0)
    """lambda, of making the accepted response less probable than it was; 0 is plain DPO."""


RecipeConfig = Annotated[PolicyIterationRecipe | RestEmRecipe | DpoPositiveRecipe, Field(discriminator="name")]
