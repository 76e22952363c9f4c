"""Credit by comparison within the group: one number per trajectory, the same for all its tokens.

    GRPO  A_i = (R_i - mean(R)) / std(R)               Shao et al., arXiv 2402.03300, section 4.1.2
    RLOO  A_i = R_i - mean of the others' rewards      Ahmadian et al., arXiv 2402.14740, eq. 8

A group whose rewards are all equal gets 0. GRPO without the division is Dr. GRPO (arXiv 2503.20783). The standard
deviation is the sample's (n - 1), as in TRL.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean, stdev
from typing import ClassVar, Literal

from vineppo.credit.settings import CreditParts, CreditSettings
from vineppo.seams import Progress
from vineppo.settings.learner import Average
from vineppo.types import Credit, Scored

SMALLEST_STD = 1e-4
"""Added to the standard deviation, as in TRL: a group with one barely different reward must not explode."""

GroupAdvantages = Callable[[Sequence[float]], list[float]]


class GrpoCredit(CreditSettings):
    """GRPO: the reward minus the group's mean, over the group's standard deviation."""

    name: Literal["grpo"] = "grpo"
    scale: bool = True
    """Divide by the group's standard deviation (false: Dr. GRPO)."""

    least_trajectories: ClassVar[int] = 2

    def build(self, parts: CreditParts) -> "GroupAssigner":
        """The method at work."""
        return GroupAssigner(partial(grpo, scale=self.scale))

    @property
    def average(self) -> Average:
        """GRPO gives every response the same weight, Dr. GRPO every token."""
        return "responses" if self.scale else "limit"


class RlooCredit(CreditSettings):
    """RLOO: the reward minus the mean reward of the group's other trajectories."""

    name: Literal["rloo"] = "rloo"

    least_trajectories: ClassVar[int] = 2

    def build(self, parts: CreditParts) -> "GroupAssigner":
        """The method at work."""
        return GroupAssigner(rloo)

    @property
    def average(self) -> Average:
        """To RLOO a response is one action."""
        return "sums"


def grpo(rewards: Sequence[float], *, scale: bool = True) -> list[float]:
    """[G] rewards of a group of at least two to [G] advantages."""
    mean = fmean(rewards)
    spread = stdev(rewards) + SMALLEST_STD if scale else 1.0
    return [(reward - mean) / spread for reward in rewards]


def rloo(rewards: Sequence[float]) -> list[float]:
    """[G] rewards of a group of at least two to [G] advantages."""
    total, others = sum(rewards), len(rewards) - 1
    return [reward - (total - reward) / others for reward in rewards]


class GroupAssigner:
    """Groups trajectories by question and gives each its group advantage."""

    def __init__(self, advantages: GroupAdvantages):
        self._advantages = advantages

    def __call__(self, trajectories: Sequence[Scored], *, seed: int, progress: Progress | None = None) -> list[Credit]:
        """Deterministic; `seed` is not used."""
        groups: dict[str, list[int]] = defaultdict(list)
        for index, scored in enumerate(trajectories):
            groups[scored.trajectory.question.id].append(index)
        advantage = {
            index: value
            for members in groups.values()
            for index, value in zip(members, self._of_group([trajectories[i].reward for i in members]), strict=True)
        }
        return [
            Credit(advantages=(advantage[index],) * len(scored.trajectory.response_ids))
            for index, scored in enumerate(trajectories)
        ]

    def _of_group(self, rewards: Sequence[float]) -> list[float]:
        """0 where the others were left out, and there is nothing to compare with."""
        return self._advantages(rewards) if len(rewards) > 1 else [0.0] * len(rewards)
