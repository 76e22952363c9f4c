"""Who earned the reward: the settings of `credit`, one class per method."""

from typing import Annotated, Literal

from pydantic import Field

from vineppo.config.strict import Strict


class VineCredit(Strict):
    """VinePPO: the value of a state is the mean reward of K rollouts from it."""

    name: Literal["vine"] = "vine"
    rollouts: int = Field(default=9, ge=1)
    """K, rollouts per distinct state."""
    max_states: int | None = Field(default=None, ge=1)
    """Measure at most this many states of a trajectory, from the start; the steps after are one."""
    mask_above: float | None = Field(default=None, gt=0, le=1)
    """SPO's mask: a token this probable or more under the sampling law learns nothing; none: all tokens learn."""


class CoupledCredit(Strict):
    """Coupled vines: rollouts measure only what happens once the policy leaves the known trajectories."""

    name: Literal["coupled"] = "coupled"
    rollouts: int = Field(default=9, ge=1)
    """K; a state that the policy leaves its trajectory from with probability q gets K q rollouts on average."""
    token_budget: int | None = Field(default=None, ge=1)
    """Tokens of rollouts to expect per trajectory; K shrinks to keep to it, then the states measured. None: any."""
    learn_from_rollouts: bool = False
    """Update the policy on rollouts too, each as one more trajectory from where it left one."""
    segments: int | None = Field(default=None, ge=1)
    """Long responses: measure so many segments of a trajectory, cut on where the value moves. None: every step."""
    mask_above: float | None = Field(default=None, gt=0, le=1)
    """SPO's mask: a token this probable or more under the sampling law learns nothing; none: all tokens learn."""


class PpoCredit(Strict):
    """PPO: a value network guesses, GAE mixes."""

    name: Literal["ppo"] = "ppo"
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


class GrpoCredit(Strict):
    """GRPO: the reward minus the group's mean, over the group's standard deviation."""

    name: Literal["grpo"] = "grpo"
    scale: bool = True
    """Divide by the group's standard deviation (false: Dr. GRPO)."""


class RlooCredit(Strict):
    """RLOO: the reward minus the mean reward of the group's other trajectories."""

    name: Literal["rloo"] = "rloo"


CreditConfig = Annotated[VineCredit | CoupledCredit | PpoCredit | GrpoCredit | RlooCredit, Field(discriminator="name")]
