"""PPO's credit: generalised advantage estimation over a value network's guesses.

    delta_t = r_t + V(s_{t+1}) - V(s_t),  V(s_T) = 0,  r_t = R at the last token, else 0
    A_t     = delta_t + lambda A_{t+1}                     (gamma = 1)
    returns = A_t + V(s_t), the value network's targets

Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation", arXiv 1506.02438, eq. 16.
Here a state is a token prefix, so t runs over the response's tokens. A response cut off by the length limit ends the
episode with reward 0; it is not bootstrapped. lambda = 1 gives A_t = R - V(s_t), lambda = 0 the one-step error.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from vineppo.credit.settings import (
    CreditParts,
    CreditSettings,
    Normalisation,
    PredictValues,
    Values,
    network_of,
)
from vineppo.seams import Progress
from vineppo.settings.learner import CriticConfig
from vineppo.types import Credit, Scored, StateValue


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

    values: ClassVar[Values] = "network"

    def build(self, parts: CreditParts) -> "GaeAssigner":
        """The method at work."""
        return GaeAssigner(network_of(self, parts), gae_lambda=self.gae_lambda)

    @property
    def critic(self) -> CriticConfig:
        """The value network."""
        return CriticConfig(
            learning_rate=self.critic_learning_rate,
            value_clip=self.value_clip,
            epochs=self.critic_epochs,
            warmup_iterations=self.critic_warmup_iterations,
        )

    @property
    def meaning(self) -> str:
        """As a source of values."""
        return "the value network of this PPO run"

    @property
    def is_unbiased(self) -> bool:
        """Where the value is a baseline only."""
        return self.gae_lambda == 1


def gae(values: Sequence[float], reward: float, gae_lambda: float) -> list[float]:
    """[T] advantages from [T] values before each token and the reward at the end."""
    advantages: list[float] = []
    advantage, value_after = 0.0, reward
    for value in reversed(values):
        advantage = value_after - value + gae_lambda * advantage
        value_after = value
        advantages.append(advantage)
    return advantages[::-1]


def gae_credit(scored: Scored, values: Sequence[float], gae_lambda: float) -> Credit:
    """Advantages and value targets; the values at step boundaries are kept for reports."""
    advantages = gae(values, scored.reward, gae_lambda)
    before_steps = [StateValue(position=at, value=values[at]) for at in scored.bounds[:-1]]
    end = StateValue(position=scored.bounds[-1], value=scored.reward, standard_error=0.0)
    return Credit(
        advantages=tuple(advantages),
        values=(*before_steps, end),
        returns=tuple(a + v for a, v in zip(advantages, values, strict=True)),
    )


class GaeAssigner:
    """Asks the value network, then mixes."""

    def __init__(self, predict_values: PredictValues, *, gae_lambda: float):
        self._predict_values = predict_values
        self._gae_lambda = gae_lambda

    def __call__(self, trajectories: Sequence[Scored], *, seed: int, progress: Progress | None = None) -> list[Credit]:
        """Deterministic; `seed` is not used."""
        predicted = self._predict_values(trajectories)
        return [
            gae_credit(scored, values, self._gae_lambda) for scored, values in zip(trajectories, predicted, strict=True)
        ]
