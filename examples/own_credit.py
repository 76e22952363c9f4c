"""A credit method of your own, in one file. From the repository's root:

vineppo train configs/arithmetic.yaml credit=examples/own_credit.py:MeasuredBaseline credit.rollouts=2

    b   = mean reward of K rollouts from the prompt
    A_t = R - b, for every token

The rollouts say what the question is worth to the policy, as the group's mean does in GRPO and RLOO, but without
knowing how the trajectories went: one trajectory a question is enough. The idea is ReMax's (arXiv 2310.10505), which
takes a single greedy response for b.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from vineppo.credit.settings import CreditParts, CreditSettings, Values
from vineppo.environment import Environment, State
from vineppo.rng import derive_seed
from vineppo.seams import Progress
from vineppo.settings.shapes import Rollouts, Shape
from vineppo.types import Credit, Rollout, Sampling, Scored, StateValue


class MeasuredBaseline(CreditSettings):
    """The reward minus the mean reward of K rollouts from the prompt."""

    rollouts: int = Field(default=2, ge=1)
    """K, for each question."""

    values: ClassVar[Values] = "rollouts"
    amount: ClassVar[str] = "rollouts"

    def build(self, parts: CreditParts) -> "Assigner":
        """The method at work."""
        return Assigner(parts.environment, rollouts=self.rollouts, sampling=parts.sampling)

    def rollouts_of(self, shape: Shape) -> Rollouts:
        """As if no two trajectories shared a prompt, whose rollouts are sampled once."""
        return Rollouts(count=self.rollouts, tokens=self.rollouts * shape.length)


class Assigner:
    """Measures every prompt once."""

    def __init__(self, environment: Environment, *, rollouts: int, sampling: Sampling):
        self._environment, self._rollouts, self._sampling = environment, rollouts, sampling

    def __call__(self, trajectories: Sequence[Scored], *, seed: int, progress: Progress | None = None) -> list[Credit]:
        """Measure, then credit."""
        prompts = [prompt_of(scored) for scored in trajectories]
        distinct = list(dict.fromkeys(prompts))
        rollouts = self._environment.rollouts(
            distinct,
            count=self._rollouts,
            sampling=self._sampling,
            seed=derive_seed(seed, "rollouts"),
            progress=progress,
        )
        measured = dict(zip(distinct, rollouts, strict=True))
        return [baseline_credit(scored, measured[prompt]) for scored, prompt in zip(trajectories, prompts, strict=True)]


def prompt_of(scored: Scored) -> State:
    """State 0."""
    return State(question=scored.trajectory.question, prompt_ids=scored.trajectory.prompt_ids, response_ids=())


def baseline_credit(scored: Scored, rollouts: Sequence[Rollout]) -> Credit:
    """What each token gets, and the value that it was made from, which is that of all states."""
    value = fmean(rollout.reward for rollout in rollouts)
    first, *others, end = scored.bounds
    return Credit(
        advantages=(scored.reward - value,) * end,
        values=(
            StateValue(position=first, value=value, rollouts=tuple(rollouts)),
            *(StateValue(position=at, value=value) for at in others),
            StateValue(position=end, value=scored.reward, standard_error=0.0),
        ),
    )
