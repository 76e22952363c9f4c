"""Training a chain's policy with one method: how many decoded tokens until it succeeds often enough.

Success is known exactly at every moment, so nothing is spent on evaluation and nothing is left to chance there.

A table with an entry for each decision would be too kind: what noise does to decisions that do not matter would cost
nothing. As in a network, all decisions of all questions share parameters here, logits = start + mixing @ parameters, by
a random matrix. An update has one question, and success is the mean over all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from chain_map.exact import exact
from chain_map.family import WHOLE, Chain, softmax
from chain_map.methods import Method
from chain_map.noise import draw
from vineppo.rng import derive_seed

Optimizer = Literal["adam", "sgd"]

BUDGET = 8
"""Tokens of an update, in responses: one group. So few that noise decides."""
QUESTIONS = 4
FAILURES_LEFT = 1 / 4
"""Trained until so many of the failures at the start are left."""
MOST_UPDATES = 300
FARTHEST = 10.0
"""How far a run that did not come to the target is extrapolated at most."""
SHARED = 1 / 2
"""Parameters for each logit. A third of the logits and less would not do: they could not all be right at once."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of one."""

    tokens: float
    """Until the target, interpolated; where it was not reached, extrapolated from how far the run came."""
    reached: bool
    success: float
    """At its end."""
    updates: int


class Adam:
    """Kingma and Ba, as published."""

    def __init__(self, rate: float):
        self._rate, self._count = rate, 0
        self._mean = self._square = np.zeros(())

    def step(self, gradient: np.ndarray) -> np.ndarray:
        """What to add to the parameters to climb."""
        self._count += 1
        self._mean = 0.9 * self._mean + 0.1 * gradient
        self._square = 0.999 * self._square + 0.001 * gradient**2
        mean, square = self._mean / (1 - 0.9**self._count), self._square / (1 - 0.999**self._count)
        return self._rate * mean / (np.sqrt(square) + 1e-8)


class Sgd:
    """Without momentum."""

    def __init__(self, rate: float):
        self._rate = rate

    def step(self, gradient: np.ndarray) -> np.ndarray:
        """What to add to the parameters to climb."""
        return self._rate * gradient


def target(chain: Chain) -> float:
    """The success to train to."""
    return 1 - FAILURES_LEFT * (1 - exact(chain, chain.start()).success)


def train(
    chain: Chain, method: Method, optimizer: Optimizer, rate: float, seed: int, most_tokens: float = np.inf
) -> Run:
    """Every update has the same tokens on average: what a question costs more than is there waits for later ones."""
    goal, mix, logits = target(chain), mixing(chain), np.stack([chain.start()] * QUESTIONS)
    climb = Adam(rate) if optimizer == "adam" else Sgd(rate)
    most = min(most_tokens, MOST_UPDATES * BUDGET * chain.length)
    success = before = begin = mean_success(chain, logits)
    spent = spent_before = updates = 0
    granted, cost = 0.0, method.group * chain.length
    while success < goal and granted < most:
        granted += BUDGET * chain.length
        while success < goal and granted - spent >= cost:
            asked = updates % QUESTIONS
            gradients, engine, _ = draw(chain, logits[asked], method, 1, derive_seed(seed, "update", updates))
            spent_before, before = spent, success
            spent += engine.tokens
            cost = spent / (updates + 1)
            logits = logits + (mix @ climb.step(mix[asked].T @ gradients.ravel())).reshape(logits.shape)
            success = mean_success(chain, logits)
            updates += 1
    reached = success >= goal
    if reached:
        tokens = spent_before + (spent - spent_before) * (goal - before) / (success - before)
    else:
        tokens = most * (goal - begin) / max(success - begin, (goal - begin) / FARTHEST)
    return Run(tokens=float(tokens), reached=bool(reached), success=float(success), updates=updates)


def mixing(chain: Chain) -> np.ndarray:
    """[questions, logits, parameters] the same for all runs of a chain; rows of length 1."""
    size = chain.start().size
    rows = np.random.default_rng(0).normal(size=(QUESTIONS, size, int(QUESTIONS * size * SHARED)))
    return rows / np.linalg.norm(rows, axis=2, keepdims=True)


def mean_success(chain: Chain, logits: np.ndarray) -> float:
    """Over [questions, rows, options]."""
    shape = logits.shape
    chances = softmax(logits.reshape(-1, shape[-1])).reshape(shape)[:, chain.rows]
    values = np.tile([1.0, 0.0], (shape[0], 1))
    for k in reversed(range(chain.decisions)):
        values = (chances[:, k] * values[:, chain.after[k]]).sum(axis=2)
    return float(values[:, WHOLE].mean())


def on_the_way(chain: Chain, shares: Sequence[float]) -> list[np.ndarray]:
    """Logits of a question at such shares of the way from the start to the target, along the exact gradient."""
    begin, goal, logits = exact(chain, chain.start()).success, target(chain), chain.start()
    found: list[np.ndarray] = []
    for share in shares:
        while (known := exact(chain, logits)).success < begin + share * (goal - begin):
            logits = logits + 0.1 * known.gradient / np.abs(known.gradient).max()
        found.append(logits)
    return found
