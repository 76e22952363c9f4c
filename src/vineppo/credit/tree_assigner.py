"""Tree credit at work on a batch. The estimator itself, with its equations, is in `vineppo.credit.restarts`."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import ceil, fsum, log
from statistics import fmean
from typing import ClassVar, Literal, Self

from pydantic import Field

from vineppo.credit.coupled_assigner import by_question
from vineppo.credit.leaving import Departure, by_fork, draw_exits, group_rng, leave
from vineppo.credit.mask import masked
from vineppo.credit.restarts import Law, expected_restarts, rollout_advantages, trajectory_advantages, tree_values
from vineppo.credit.settings import CreditParts, LeavingCredit, Normalisation
from vineppo.credit.tree import Tree, grow
from vineppo.environment import Environment
from vineppo.rng import derive_seed
from vineppo.seams import Progress
from vineppo.settings.shapes import Shape
from vineppo.types import Branch, Completion, Credit, Rollout, Sampling, Scored, StateValue

NOTHING = 1e-9
"""An advantage this small teaches nothing, and the rollout is left out. In a hopeless state it is so for all."""

Group = Sequence[Scored]


class TreeCredit(LeavingCredit):
    """Tree credit: rollouts that leave the group's trajectories are learned from, and make their values."""

    name: Literal["tree"] = "tree"
    normalise: Normalisation = "scale"
    restarts: float = Field(default=0.3, ge=0)
    """Of each trajectory at each of its tokens, imagined; those that leave what is known are sampled. 0: RLOO."""
    share: float = Field(default=1.0, ge=0, le=1)
    """Of the restarts' weight, how much follows rollouts past their first token, to states that only they came to; the
    gradient is without bias at any."""
    prior: float = Field(default=2.0, ge=0)
    """In a baseline, the mean reward of the batch's other questions counts as so many trajectories; 0: not at all."""

    learns_from_rollouts: ClassVar[bool] = True
    least_trajectories: ClassVar[int] = 2
    amount: ClassVar[str] = "restarts"

    def for_looking(self, rollouts: int) -> Self:
        """At least so many restarts at a node, within no budget."""
        return self.model_copy(update={"restarts": max(self.restarts, float(rollouts)), "token_budget": None})

    def build(self, parts: CreditParts) -> "TreeAssigner":
        """The method at work."""
        return TreeAssigner(
            parts.environment,
            restarts=self.restarts,
            token_budget=self.token_budget,
            share=self.share,
            prior=self.prior,
            mask_above=self.mask_above,
            sampling=parts.sampling,
        )

    def most_tokens(self, shape: Shape) -> int:
        """Every token is left."""
        everywhere = Shape(length=shape.length, states=range(shape.length))
        return ceil(self.restarts + 1) * everywhere.left if self.restarts else 0

    @property
    def rollouts_in_words(self) -> str:
        """For a batch."""
        return f"{self.restarts:g} restarts from each token times the chance of leaving what is known"

    @property
    def meaning(self) -> str:
        """As a source of values."""
        return f"tree credit, {self.restarts:g} restarts per token, learned from"

    def next_state_only(self) -> None:
        """Its values are of samples of the policy: it cannot be asked of next steps."""


class TreeAssigner:
    """Samples rollouts that leave each question's trajectories, and learns from both.

    restarts: kappa. token_budget: for rollouts, in expectation and per trajectory; None: as many as kappa asks for.
    share: rho, of the restarts that are followed past their first token. prior: as how many trajectories the mean
    reward of the other questions counts in a baseline.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        restarts: float,
        token_budget: int | None,
        share: float,
        prior: float,
        sampling: Sampling,
        mask_above: float | None = None,
    ):
        self._environment = environment
        self._restarts = restarts
        self._token_budget = token_budget
        self._share = share
        self._prior = prior
        self._sampling = sampling
        self._mask_above = mask_above

    def __call__(self, trajectories: Sequence[Scored], *, seed: int, progress: Progress | None = None) -> list[Credit]:
        """Grow trees, leave them, credit."""
        indices = by_question(trajectories)
        groups = [[trajectories[index] for index in own] for own in indices]
        trees = [grow(group, [range(len(own.trajectory.response_ids) + 1) for own in group]) for group in groups]
        restarts = affordable_restarts(trees, self._restarts, self._token_budget)
        stream = derive_seed(seed, "rollouts")
        departures = [
            draw_exits(tree, [expected_restarts(fork, kappa) for fork in tree.forks], group_rng(group, stream))
            for group, tree, kappa in zip(groups, trees, restarts, strict=True)
        ]
        arrived = leave(self._environment, groups, departures, sampling=self._sampling, seed=stream, progress=progress)
        known = elsewhere(groups, self._prior)
        credits: dict[int, Credit] = {}
        for place, own in enumerate(indices):
            law = Law(restarts=restarts[place], share=self._share, elsewhere=known[place])
            found = credit_tree(groups[place], trees[place], departures[place], arrived[place], law)
            credits |= zip(own, found, strict=True)
        return [masked(credits[index], scored, self._mask_above) for index, scored in enumerate(trajectories)]


def elsewhere(groups: Sequence[Group], prior: float) -> list[tuple[float, float]]:
    """Per question, the mean reward of the others, and its weight: none where there is no other."""
    if len(groups) < 2:
        return [(0.0, 0.0)] * len(groups)
    means = [fmean(scored.reward for scored in group) for group in groups]
    total = fsum(means)
    return [((total - own) / (len(groups) - 1), prior) for own in means]


def affordable_restarts(trees: Sequence[Tree], restarts: float, token_budget: float | None) -> list[float]:
    """Per question kappa, or less where the budget asks for it.

    What a question's restarts cost is forecast from the *other* questions' trees: a kappa that looked at its own would
    know what the trajectories do next, and so bias the gradient. A question alone has only its own.
    """
    if token_budget is None:
        return [restarts] * len(trees)
    costs = [expected_tokens(tree) / len(tree.routes) for tree in trees]
    total = fsum(costs)
    others = [(total - own) / (len(costs) - 1) for own in costs] if len(costs) > 1 else costs
    return [min(restarts, token_budget / cost) if cost > 0 else restarts for cost in others]


def expected_tokens(tree: Tree) -> float:
    """Of one restart a trajectory and node, each rollout assumed as long as the trajectory it left went on."""
    return fsum(fork.visits * exit.probability * exit.remaining for fork in tree.forks for exit in fork.exits)


def credit_tree(
    group: Group,
    tree: Tree,
    departures: Sequence[Departure],
    rollouts: Sequence[tuple[Rollout, ...]],
    law: Law,
) -> list[Credit]:
    """Credit of one question's trajectories from the rollouts of each departure."""
    left = by_fork(departures, rollouts)
    rewards = {place: [rollout.reward for rollout in own] for place, own in left.items()}
    found = tree_values(tree, law, rewards)
    holders = {place: index for index, route in reversed(list(enumerate(tree.routes))) for place in route}
    branches: list[list[Branch]] = [[] for _ in group]
    for place, own in left.items():
        for rollout in own:
            size = len(rollout.completion.token_ids)
            advantages = rollout_advantages(tree, law, found, place, reward=rollout.reward, length=size)
            if abs(advantages[0]) > NOTHING and not rollout.left_out:
                branches[holders[place]].append(branch_of(tree, place, rollout.completion, advantages))
    return [
        Credit(
            advantages=tuple(advantages),
            values=step_values(scored, route, found.values, left),
            branches=tuple(own),
        )
        for scored, route, advantages, own in zip(
            group, tree.routes, trajectory_advantages(tree, law, found), branches, strict=True
        )
    ]


def branch_of(tree: Tree, place: int, completion: Completion, advantages: tuple[float, ...]) -> Branch:
    """Its first token's log-prob under the whole law: that of leaving, and of the token once the policy leaves."""
    fork = tree.forks[place]
    first = completion.logprobs[0] + log(fork.leaving)
    whole = replace(completion, logprobs=(first, *completion.logprobs[1:]))
    return Branch(position=fork.position, completion=whole, advantages=advantages)


def step_values(
    scored: Scored, route: Sequence[int], values: Sequence[float], left: dict[int, tuple[Rollout, ...]]
) -> tuple[StateValue, ...]:
    """For reports: the values where steps begin and end, with the rollouts that left within each step."""
    at_steps = [
        StateValue(
            position=start,
            value=values[route[start]],
            rollouts=tuple(rollout for place in route[start:stop] for rollout in left.get(place, ())),
        )
        for start, stop in pairwise(scored.bounds)
    ]
    return (*at_steps, StateValue(position=scored.bounds[-1], value=scored.reward, standard_error=0.0))
