"""PPO's credit: generalised advantage estimation over a value network's guesses.

    delta_t = r_t + V(s_{t+1}) - V(s_t),  V(s_T) = 0,  r_t = R at the last token, else 0
    A_t     = delta_t + lambda A_{t+1}                     (gamma = 1)
    returns = A_t + V(s_t), the value network's targets

Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation", arXiv 1506.02438, eq. 16.
Here a state is a token prefix, so t runs over the response's tokens. A response cut off by the length limit ends the
episode with reward 0; it is not bootstrapped. lambda = 1 gives A_t = R - V(s_t), lambda = 0 the one-step error.
"""

from collections.abc import Callable, Sequence

from vineppo.seams import Progress
from vineppo.types import Credit, Scored, StateValue

PredictValues = Callable[[Sequence[Scored]], list[list[float]]]
"""Per trajectory, [T] the value before each response token."""


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
