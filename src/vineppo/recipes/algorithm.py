"""What the run loop knows of a method: it collects experience, learns from it, and can be saved in between.

    for each iteration:
        experience = algorithm.collect(iteration)      changes no weights
        metrics    = algorithm.learn(experience)       changes the weights, and hands them to the engine

Everything else about a run (directory, evaluation, checkpoints, interruption, cost) is the same for all and stands in
`vineppo.recipes.run`. Which methods there are is a match in `vineppo.recipes.build`.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from vineppo.learner.trained import TrainedPolicy
from vineppo.metrics import Metrics
from vineppo.progress import Display
from vineppo.recipes.sampler import Sampler
from vineppo.types import Credit, Scored


@dataclass(frozen=True, kw_only=True, slots=True)
class Experience:
    """What one iteration learns from."""

    iteration: int
    scored: list[Scored]
    credits: list[Credit]
    """One per trajectory: what each token earned."""
    metrics: Metrics = field(default_factory=dict)
    """What was measured in collecting."""


class Algorithm(Protocol):
    """One method of training. An iteration depends on its number, the weights and what `save` writes, on nothing else,
    so a run can be resumed at any of them."""

    @property
    def sampler(self) -> Sampler:
        """Where its trajectories come from."""
        ...

    @property
    def policy(self) -> TrainedPolicy:
        """What it trains."""
        ...

    def collect(self, iteration: int, display: Display) -> Experience:
        """Sample and judge with the policy as it is. Doing it twice gives the same."""
        ...

    def learn(self, experience: Experience, display: Display) -> Metrics:
        """Update the policy and hand the new weights to the engine. `updates_made` tells the optimizer steps."""
        ...

    def save(self, folder: Path) -> None:
        """All that the next iteration depends on besides the policy's weights and the curriculum.

        All processes call it, because what is sharded has to be gathered; only the main one writes.
        """
        ...

    def load(self, folder: Path) -> None:
        """Continue where `save` was called."""
        ...


def whole_response_credit(scored: Scored, weight: float) -> Credit:
    """The credit of methods that judge a response as a whole: every token of it gets `weight`."""
    return Credit(advantages=(weight,) * len(scored.trajectory.response_ids))


def fingerprint(experience: Experience) -> str:
    """Equal for equal tokens and credit."""
    digest = hashlib.blake2b(digest_size=8)
    for scored, credit in zip(experience.scored, experience.credits, strict=True):
        learned = (scored.trajectory.response_ids, credit.advantages, credit.mask, credit.branches)
        digest.update(repr(learned).encode())
    return digest.hexdigest()
