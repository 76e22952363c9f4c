"""Rollouts as trajectories: what left a trajectory to measure its states is the policy's own text, with a reward.

A rollout with reward r that left at a fork s gives each of its tokens

    A = r - V_{-r}(s)        V_{-r}(s) = P B + (1 - P) (mean reward of the other rollouts that left there)

with P the probability of staying on the tree and B the value of that; B alone where no other left. The rollout's own
reward is no part of what it is compared with, so the comparison adds no bias.

The trajectories' tokens follow the gradient of the value of the start. A rollout follows that of a state on the way: so
the policy learns from every state that a trajectory came to, as often as rollouts left there, and most where it is
least sure. The tokens are decoded already; what they cost more is their part of the update.

An approximation: a rollout's first token was drawn without the tokens known there, and is weighted as if it was not.

Prior work: tree-structured RL trains on all leaves of a sampled tree (TreeRL, arXiv 2506.11902; SPO-tree, arXiv
2505.23564). There the tree is sampled to be trained on; here it is there already, to measure values.
"""

from collections.abc import Mapping, Sequence

from vineppo.credit.coupled import Estimate, estimate_staying
from vineppo.credit.leaving import Departure
from vineppo.credit.plan import Plan
from vineppo.types import Branch, Rollout

NOTHING = 1e-6
"""An advantage this small teaches nothing, and the rollout is left out. In a hopeless state it is so for all."""


def branches(
    plan: Plan,
    estimates: Sequence[Estimate],
    departures: Sequence[Departure],
    rollouts: Sequence[tuple[Rollout, ...]],
    rewards: Mapping[int, Sequence[float]],
) -> list[tuple[Branch, ...]]:
    """Per trajectory of a question, what left it and teaches something. rewards: of all rollouts, by fork."""
    forks = plan.tree.forks
    staying = {place: estimate_staying(forks[place], estimates).value for place in rewards}
    holders = {scored.trajectory.response_ids: index for index, scored in reversed(list(enumerate(plan.group)))}
    found: list[list[Branch]] = [[] for _ in plan.group]
    for (place, exit, _), own in zip(departures, rollouts, strict=True):
        for rollout in own:
            value = value_without(rollout.reward, rewards[place], staying[place], forks[place].leaving)
            advantage = rollout.reward - value
            if abs(advantage) > NOTHING and not rollout.left_out:
                found[holders[exit.response]].append(
                    Branch(position=exit.position, completion=rollout.completion, advantage=advantage)
                )
    return [tuple(own) for own in found]


def value_without(reward: float, rewards: Sequence[float], staying: float, leaving: float) -> float:
    """V_{-r}(s) of the module's docstring: `rewards` are those of all rollouts that left at the fork, r included."""
    if len(rewards) == 1:
        return staying
    others = (sum(rewards) - reward) / (len(rewards) - 1)
    return (1 - leaving) * staying + leaving * others
