"""Coupled vines at work on a batch. The estimator itself, with its equations, is in `vineppo.credit.coupled`."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal, Self

from pydantic import Field

from vineppo.credit.coupled import coupled_credit, coupled_values
from vineppo.credit.leaving import Departure, all_expected, by_fork, draw_exits, group_rng, leave
from vineppo.credit.mask import masked
from vineppo.credit.pilot import look
from vineppo.credit.plan import Plan, fit, plan_batch
from vineppo.credit.settings import CreditParts, LeavingCredit, Normalisation
from vineppo.environment import Environment
from vineppo.rng import derive_seed
from vineppo.seams import Progress
from vineppo.settings.shapes import Shape
from vineppo.types import Credit, Rollout, Sampling, Scored

PILOT = 1 / 3
"""Share of K, and of a token budget, for the first look at long trajectories."""

Group = Sequence[Scored]


class CoupledCredit(LeavingCredit):
    """Coupled vines: rollouts measure only what happens once the policy leaves the known trajectories."""

    name: Literal["coupled"] = "coupled"
    normalise: Normalisation = "scale"
    rollouts: int = Field(default=9, ge=1)
    """K; a state that the policy leaves its trajectory from with probability q gets K q rollouts on average."""
    segments: int | None = Field(default=None, ge=1)
    """Long responses: measure so many segments of a trajectory, cut on where the value moves. None: every step."""

    amount: ClassVar[str] = "rollouts"

    def for_looking(self, rollouts: int) -> Self:
        """At least so many, times the chance of leaving; a budget is for training, and would starve most steps."""
        return self.model_copy(update={"rollouts": max(self.rollouts, rollouts), "token_budget": None})

    def build(self, parts: CreditParts) -> "CoupledAssigner":
        """The method at work."""
        return CoupledAssigner(
            parts.environment,
            rollouts=self.rollouts,
            token_budget=self.token_budget,
            segments=self.segments,
            mask_above=self.mask_above,
            sampling=parts.sampling,
        )

    def most_tokens(self, shape: Shape) -> int:
        """Every step is left and nothing is saved; a first look takes no more than the measurement."""
        return (1 if self.segments is None else 2) * (self.rollouts + 1) * shape.left

    @property
    def rollouts_in_words(self) -> str:
        """For a batch."""
        return f"{self.rollouts} rollouts from each state times the chance of leaving it"

    @property
    def meaning(self) -> str:
        """As a source of values."""
        return f"coupled vines, K = {self.rollouts}"


class CoupledAssigner:
    """Samples rollouts that leave each question's trajectories, and credits each step with the change of value.

    rollouts: K. token_budget: for rollouts, in expectation and per trajectory; None: as many as K asks for.
    segments: into how many a trajectory is cut at first where leaving is common; None: every step is measured.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        rollouts: int,
        token_budget: int | None,
        segments: int | None,
        sampling: Sampling,
        mask_above: float | None = None,
    ):
        self._environment = environment
        self._rollouts = rollouts
        self._token_budget = token_budget
        self._segments = segments
        self._sampling = sampling
        self._mask_above = mask_above

    def __call__(self, trajectories: Sequence[Scored], *, seed: int, progress: Progress | None = None) -> list[Credit]:
        """Plan, leave, measure, credit."""
        indices = by_question(trajectories)
        groups = [[trajectories[index] for index in own] for own in indices]
        plans = self._plan(groups, seed, progress)
        place = derive_seed(seed, "rollouts")
        departures = [
            draw_exits(plan.tree, all_expected(plan.tree, plan.rollouts), group_rng(plan.group, place))
            for plan in plans
        ]
        arrived = leave(self._environment, groups, departures, sampling=self._sampling, seed=place, progress=progress)
        credits: dict[int, Credit] = {}
        for own, plan, drawn, rollouts in zip(indices, plans, departures, arrived, strict=True):
            credits |= zip(own, credit_group(plan, drawn, rollouts), strict=True)
        return [masked(credits[index], scored, self._mask_above) for index, scored in enumerate(trajectories)]

    def _plan(self, groups: Sequence[Group], seed: int, progress: Progress | None) -> list[Plan]:
        """Per question."""
        budget = self._token_budget
        if self._segments is None:
            return plan_batch(groups, self._rollouts, budget)
        looks = look(
            self._environment,
            groups,
            rollouts=max(1.0, PILOT * self._rollouts),
            segments=self._segments,
            max_tokens=None if budget is None else PILOT * budget,
            sampling=self._sampling,
            seed=seed,
            progress=progress,
        )
        left = [None if budget is None else budget - own.tokens for own in looks]
        plans = [fit(own.group, own.bounds, self._rollouts, rest) for own, rest in zip(looks, left, strict=True)]
        return [replace(plan, pilot=own.rollouts) for plan, own in zip(plans, looks, strict=True)]


def credit_group(plan: Plan, departures: Sequence[Departure], rollouts: Sequence[tuple[Rollout, ...]]) -> list[Credit]:
    """Credit of one question's trajectories from the rollouts of each departure."""
    left = by_fork(departures, rollouts)
    rewards = {place: [rollout.reward for rollout in own] for place, own in left.items()}
    estimates = coupled_values(plan.tree, plan.rollouts, rewards)
    credits = [
        coupled_credit(scored, bounds, [estimates[at] for at in route], [left.get(at, ()) for at in route])
        for scored, bounds, route in zip(plan.group, plan.bounds, plan.tree.routes, strict=True)
    ]
    first, *others = credits
    return [replace(first, pilot=plan.pilot), *others]


def by_question(trajectories: Sequence[Scored]) -> list[list[int]]:
    """Indices of the trajectories that continue the same prompt of the same question."""
    groups: dict[tuple[str, tuple[int, ...]], list[int]] = defaultdict(list)
    for index, scored in enumerate(trajectories):
        groups[scored.trajectory.question.id, scored.trajectory.prompt_ids].append(index)
    return list(groups.values())
