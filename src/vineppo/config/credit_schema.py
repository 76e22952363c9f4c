"""Who earned the reward: the settings of `credit`, one class per method."""

from typing import Annotated, Literal

from pydantic import Field

from vineppo.config.learner_schema import Average
from vineppo.config.strict import Strict

Normalisation = Literal["none", "scale", "whiten"]


class CreditSettings(Strict):
    """What every method has."""

    normalise: Normalisation = "none"
    """Of the advantages of an iteration: none; scale: divide by the root of their mean square; whiten: to mean 0 and
    variance 1. Tokens without credit stay at 0. Each method's default is what its paper or its authors' code does."""
    shuffle: bool = False
    """The control arm: deal each response's advantages at random to its steps."""

    @property
    def average(self) -> Average:
        """Of the policy loss, where `learner.average` names none: see `vineppo.learner.averages`."""
        return "tokens"


class VineCredit(CreditSettings):
    """VinePPO: the value of a state is the mean reward of K rollouts from it."""

    name: Literal["vine"] = "vine"
    normalise: Normalisation = "whiten"
    rollouts: int = Field(default=9, ge=1)
    """K, rollouts per distinct state."""
    max_states: int | None = Field(default=None, ge=1)
    """Measure at most this many states of a trajectory, from the start; the steps after are one."""
    mask_above: float | None = Field(default=None, gt=0, le=1)
    """SPO's mask: a token this probable or more under the sampling law learns nothing; none: all tokens learn."""


class CoupledCredit(CreditSettings):
    """Coupled vines: rollouts measure only what happens once the policy leaves the known trajectories."""

    name: Literal["coupled"] = "coupled"
    normalise: Normalisation = "scale"
    rollouts: int = Field(default=9, ge=1)
    """K; a state that the policy leaves its trajectory from with probability q gets K q rollouts on average."""
    token_budget: int | None = Field(default=None, ge=1)
    """Tokens of rollouts to expect per trajectory; K shrinks to keep to it, then the states measured. None: any."""
    segments: int | None = Field(default=None, ge=1)
    """Long responses: measure so many segments of a trajectory, cut on where the value moves. None: every step."""
    mask_above: float | None = Field(default=None, gt=0, le=1)
    """SPO's mask: a token this probable or more under the sampling law learns nothing; none: all tokens learn."""


class TreeCredit(CreditSettings):
    """Tree credit: rollouts that leave the group's trajectories are learned from, and make their values."""

    name: Literal["tree"] = "tree"
    normalise: Normalisation = "scale"
    restarts: float = Field(default=0.3, ge=0)
    """Of each trajectory at each of its tokens, imagined; those that leave what is known are sampled. 0: RLOO."""
    token_budget: int | None = Field(default=None, ge=1)
    """Tokens of rollouts to expect per trajectory; restarts shrink to keep to it. None: any."""
    share: float = Field(default=1.0, ge=0, le=1)
    """Of the restarts' weight, how much follows rollouts past their first token, to states that only they came to; the
    gradient is without bias at any."""
    prior: float = Field(default=2.0, ge=0)
    """In a baseline, the mean reward of the batch's other questions counts as so many trajectories; 0: not at all."""
    mask_above: float | None = Field(default=None, gt=0, le=1)
    """SPO's mask: a token this probable or more under the sampling law learns nothing; none: all tokens learn."""


class PpoCredit(CreditSettings):
    """PPO: a value network guesses, GAE mixes."""

    name: Literal["ppo"] = "ppo"
    normalise: Normalisation = "whiten"
    gae_lambda: float = Field(default=1.0, ge=0, le=1)
    """1: reward minus value; 0: the one-step error."""
    critic_learning_rate: float = Field(default=1e-6, gt=0)
    """Peak, of the value network; it follows learner.schedule."""
    value_clip: float | None = Field(default=0.2, gt=0)
    """Clip the change of each value to this much; null switches it off."""
    critic_epochs: int | None = Field(default=None, ge=1)
    """Epochs of the value network over an iteration's trajectories; null: as many as the policy's."""
    critic_warmup_iterations: int = Field(default=0, ge=0)
    """Iterations at the start in which only the value network learns."""


class GrpoCredit(CreditSettings):
    """GRPO: the reward minus the group's mean, over the group's standard deviation."""

    name: Literal["grpo"] = "grpo"
    scale: bool = True
    """Divide by the group's standard deviation (false: Dr. GRPO)."""

    @property
    def average(self) -> Average:
        """GRPO gives every response the same weight, Dr. GRPO every token."""
        return "responses" if self.scale else "limit"


class RlooCredit(CreditSettings):
    """RLOO: the reward minus the mean reward of the group's other trajectories."""

    name: Literal["rloo"] = "rloo"

    @property
    def average(self) -> Average:
        """To RLOO a response is one action."""
        return "sums"


CreditConfig = Annotated[
    VineCredit | CoupledCredit | TreeCredit | PpoCredit | GrpoCredit | RlooCredit, Field(discriminator="name")
]
