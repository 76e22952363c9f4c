"""What is known of a chain without sampling: values, the gradient, and the noise of some estimators of it.

    V_k(b) = sum_o p_o V_{k+1}(after b, o)        grad of the logit of o = rho_k(b) p_o (V_{k+1}(after b, o) - V_k(b))

rho_k(b) is the chance to come to decision k in state b. Every decision has parameters of its own, so squared norms of
sums over decisions are sums of squared norms.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from chain_map.family import BROKEN, WHOLE, Chain, softmax


@dataclass(frozen=True, kw_only=True)
class Exact:
    """Of one policy."""

    chain: Chain
    chances: np.ndarray
    """[N, 2, options] of each option in each state."""
    values: np.ndarray
    """[N + 1, 2]"""
    reached: np.ndarray
    """[N, 2] rho"""

    @property
    def success(self) -> float:
        """V of the prompt."""
        return float(self.values[0, WHOLE])

    @property
    def after_values(self) -> np.ndarray:
        """[N, 2, options] V after each option."""
        return np.stack([own[after] for own, after in zip(self.values[1:], self.chain.after, strict=True)])

    @property
    def gradient(self) -> np.ndarray:
        """[rows, options] of the success by the logits."""
        change = self.after_values - self.values[:-1, :, None]
        gradient = np.zeros((self.chain.rows.max() + 1, self.chain.options))
        np.add.at(gradient, self.chain.rows, self.reached[:, :, None] * self.chances * change)
        return gradient

    @property
    def departures(self) -> float:
        """N_d, the expected number of tokens at which another draw would leave a trajectory."""
        return float((self.reached * (1 - (self.chances**2).sum(axis=2))).sum())

    @property
    def score_norms(self) -> np.ndarray:
        """[N, 2, options] squared norm of the gradient of an option's log-prob."""
        return 1 - 2 * self.chances + (self.chances**2).sum(axis=2, keepdims=True)


def exact(chain: Chain, logits: np.ndarray) -> Exact:
    """By recursion."""
    chances = softmax(logits)[chain.rows]
    values = np.zeros((chain.decisions + 1, 2))
    values[-1] = [1.0, 0.0]
    for k in reversed(range(chain.decisions)):
        values[k] = (chances[k] * values[k + 1][chain.after[k]]).sum(axis=1)
    reached = np.zeros((chain.decisions + 1, 2))
    reached[0] = [1.0, 0.0]
    for k in range(chain.decisions):
        for state in (WHOLE, BROKEN):
            np.add.at(reached[k + 1], chain.after[k, state], reached[k, state] * chances[k, state])
    return Exact(chain=chain, chances=chances, values=values, reached=reached[:-1])


def ceiling_noise(known: Exact, group: int) -> float:
    """Variance of a question's gradient with exact step values: (1/c) (sum_k E[A_k^2 |score_k|^2] - |g|^2)."""
    change = known.after_values - known.values[:-1, :, None]
    squares = (known.reached[:, :, None] * known.chances * change**2 * known.score_norms).sum()
    return float(squares - (known.gradient**2).sum()) / group


def group_noise(known: Exact, advantages: Callable[[Sequence[float]], list[float]], group: int) -> tuple[float, float]:
    """Variance of a question's gradient with one advantage a trajectory, and by what it scales the true gradient.

    Given the rewards, the scores of different trajectories are independent, with mean g/V after a success and -g/(1-V)
    after a failure; so it is enough to go through the number of successes.
    """
    success, signal = known.success, float((known.gradient**2).sum())
    weights = known.reached[:, :, None] * known.chances * known.score_norms
    norms = {1.0: (weights * known.after_values).sum() / success}
    norms[0.0] = (weights.sum() - success * norms[1.0]) / (1 - success)
    means = {1.0: 1 / success, 0.0: -1 / (1 - success)}  # in units of g
    scale = square = 0.0
    for wins in range(group + 1):
        chance = comb(group, wins) * success**wins * (1 - success) ** (group - wins)
        rewards = [1.0] * wins + [0.0] * (group - wins)
        given = np.array(advantages(rewards))
        along = given * np.array([means[reward] for reward in rewards])
        own = sum(a**2 * norms[reward] for a, reward in zip(given, rewards, strict=True))
        scale += chance * along.sum() / group
        square += chance * (own + signal * (along.sum() ** 2 - (along**2).sum())) / group**2
    return float(square - scale**2 * signal), float(scale)
