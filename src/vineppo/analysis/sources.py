"""Where values come from: anything that assigns credit and says which values it was made from."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from vineppo.analysis.alternatives import Choice
from vineppo.analysis.records import Cost
from vineppo.analysis.states import value_at
from vineppo.credit.group import GroupAdvantages, rloo
from vineppo.seams import CreditAssigner, Progress
from vineppo.types import Credit, Scored, StateValue


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A credit method under examination."""

    name: str
    meaning: str
    """One sentence for readers."""
    assign: CreditAssigner
    """Credit of whole trajectories, with a value for every state where a step begins."""
    foresee: CreditAssigner | None
    """Credit of trajectories whose second state (`bounds[1]`) is the one asked about; the others need no value.
    None: the source gives all next steps of a state one value, so there is nothing to ask."""
    is_unbiased: bool = True
    """Whether its credit's expected gradient is that of the expected reward. GRPO's is that of another objective."""
    ranks_steps: bool = True
    """Whether it can be asked of next steps at all. Tree credit cannot: its values are of samples of the policy."""


class MeanReward:
    """One value for all states of a question, or for all states there are: the mean reward of their trajectories.

    V(s) = mean(R). The advantage leaves the trajectory's own reward out of the mean, which is RLOO's credit, or
    REINFORCE's with a constant baseline: without bias, and m / (m - 1) times R - V for m trajectories. `advantages` may
    be GRPO's instead.
    """

    def __init__(self, *, within_question: bool, advantages: GroupAdvantages = rloo):
        self._within_question = within_question
        self._advantages = advantages

    def __call__(self, trajectories: Sequence[Scored], *, seed: int, progress: Progress | None = None) -> list[Credit]:
        """Deterministic; `seed` is not used."""
        groups: dict[str, list[int]] = {}
        for index, scored in enumerate(trajectories):
            name = scored.trajectory.question.id if self._within_question else ""
            groups.setdefault(name, []).append(index)
        credits: dict[int, Credit] = {}
        for members in groups.values():
            rewards = [trajectories[i].reward for i in members]
            value = fmean(rewards)
            for index, advantage in zip(members, self._advantages(rewards), strict=True):
                credits[index] = _flat_credit(trajectories[index], value, advantage)
        return [credits[index] for index in range(len(trajectories))]


def _flat_credit(scored: Scored, value: float, advantage: float) -> Credit:
    before_steps = [StateValue(position=at, value=value) for at in scored.bounds[:-1]]
    end = StateValue(position=scored.bounds[-1], value=scored.reward, standard_error=0.0)
    return Credit(advantages=(advantage,) * scored.bounds[-1], values=(*before_steps, end))


def assign_and_time(
    source: Source, trajectories: Sequence[Scored], *, seed: int, progress: Progress | None = None
) -> tuple[list[Credit], Cost]:
    """A source's credits, and what they took. The rollouts themselves are let go: they would fill the memory."""
    started = time.monotonic()
    credits = source.assign(trajectories, seed=seed, progress=progress)
    seconds = time.monotonic() - started
    # a state that several trajectories share holds the same rollouts: counted once
    distinct = {id(rollout): rollout for credit in credits for value in credit.values for rollout in value.rollouts}
    lengths = [len(rollout.completion.token_ids) for rollout in distinct.values()]
    cost = Cost(
        rollouts=len(lengths),
        tokens=sum(lengths),
        tokens_per_trajectory=sum(lengths) / len(trajectories),
        seconds=seconds,
    )
    return [_without_rollouts(credit) for credit in credits], cost


def _without_rollouts(credit: Credit) -> Credit:
    return replace(credit, values=tuple(replace(value, rollouts=()) for value in credit.values))


def foresee(
    source: Source, choices: Sequence[Choice], *, seed: int, progress: Progress | None = None
) -> list[tuple[float, ...]]:
    """Per choice, the source's value of the state after each next step; empty where it has one value for all."""
    if source.foresee is None:
        return []
    alternatives = [alternative for choice in choices for alternative in choice.alternatives]
    credits = iter(source.foresee(alternatives, seed=seed, progress=progress))
    return [
        tuple(value_at(next(credits), scored.bounds[1], source=source.name).value for scored in choice.alternatives)
        for choice in choices
    ]
