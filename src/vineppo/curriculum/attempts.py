"""Trying questions, to see what they can teach."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vineppo.environment import Environment
from vineppo.types import Judgement, Question, Sampling, Trajectory

if TYPE_CHECKING:
    from vineppo.progress import Display


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """A judged response."""

    trajectory: Trajectory
    judgement: Judgement


Attempts = tuple[Attempt, ...]
"""At one question."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Examiner:
    """Lets the policy, as it is now, try questions `count` times each."""

    environment: Environment
    sampling: Sampling
    count: int
    branches: bool = False
    """Rollouts may start inside the attempts, because they may become trajectories."""

    def __call__(self, questions: Sequence[Question], *, seed: int, display: "Display") -> dict[str, Attempts]:
        """By question id, the attempts at it."""
        with display.phase("curriculum") as progress:
            trajectories = self.environment.sample(
                questions,
                count=self.count,
                sampling=self.sampling,
                seed=seed,
                branches=self.branches,
                progress=progress,
            )
            return by_question(trajectories, self.environment.judge_trajectories(trajectories))


def by_question(trajectories: Sequence[Trajectory], judgements: Sequence[Judgement]) -> dict[str, Attempts]:
    """Trajectories with their judgements, by question id, in order."""
    grouped: dict[str, list[Attempt]] = defaultdict(list)
    for trajectory, judgement in zip(trajectories, judgements, strict=True):
        grouped[trajectory.question.id].append(Attempt(trajectory=trajectory, judgement=judgement))
    return {id: tuple(own) for id, own in grouped.items()}


def rewards(attempts: Attempts) -> list[float]:
    """[L] one each, of those that are not left out; where all are, nothing is known and so nothing differs."""
    kept = [attempt.judgement.reward for attempt in attempts if not attempt.judgement.left_out]
    return kept or [attempt.judgement.reward for attempt in attempts[:1]]


def tokens(attempts: Attempts) -> int:
    """Decoded for them."""
    return sum(len(attempt.trajectory.response_ids) for attempt in attempts)
