"""Rollouts that are learned from: what each is compared with, where it begins, and that it follows the policy."""

from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev

import pytest
import tabular
from hypothesis import given
from hypothesis import strategies as st
from tabular import PLAIN, SHARP, Tabular

from vineppo.credit.branches import value_without
from vineppo.credit.coupled import following_probabilities
from vineppo.credit.coupled_assigner import CoupledAssigner
from vineppo.recipes.policy_iteration import to_branch_sample
from vineppo.types import Credit, Sampling, Scored


def credited(
    sampling: Sampling, *, count: int = 3, seed: int = 0, rollouts: int = 9, mask_above: float | None = None
) -> tuple[Tabular, list[Scored], list[Credit]]:
    policy = Tabular(sampling)
    group = policy.trajectories(count, seed=seed)
    return policy, group, coupled_learning_from_rollouts(policy, rollouts, mask_above)(group, seed=seed)


def coupled_learning_from_rollouts(policy: Tabular, rollouts: int, mask_above: float | None = None) -> CoupledAssigner:
    return CoupledAssigner(
        policy.environment(),
        rollouts=rollouts,
        token_budget=None,
        segments=None,
        sampling=policy.sampling,
        learn_from_rollouts=True,
        mask_above=mask_above,
    )


def test_by_hand():
    # Left with probability 0.4, staying is worth 0.5; the others are worth (1 + 0) / 2.
    assert value_without(1.0, [1.0, 1.0, 0.0], staying=0.5, leaving=0.4) == pytest.approx(0.6 * 0.5 + 0.4 * 0.5)
    assert value_without(0.0, [1.0, 1.0, 0.0], staying=0.5, leaving=0.4) == pytest.approx(0.6 * 0.5 + 0.4 * 1.0)
    assert value_without(1.0, [1.0], staying=0.25, leaving=0.4) == 0.25


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=9))
def test_where_nothing_stays_it_is_leave_one_out(rewards: list[float]):
    advantages = [reward - value_without(reward, rewards, staying=0.3, leaving=1.0) for reward in rewards]
    count = len(rewards)
    expected = [(reward - fmean(rewards)) * count / (count - 1) for reward in rewards]
    assert advantages == pytest.approx(expected)


@given(st.integers(0, 500), st.integers(1, 4), st.sampled_from([PLAIN, SHARP]))
def test_a_branch_is_a_rollout_from_where_it_left(seed: int, count: int, sampling: Sampling):
    policy, group, credits = credited(sampling, count=count, seed=seed)
    measured = {id(r.completion) for credit in credits for value in credit.values for r in value.rollouts}
    for own, credit in zip(group, credits, strict=True):
        for branch in credit.branches:
            assert id(branch.completion) in measured
            sample = to_branch_sample(own, branch)
            assert sample.token_ids[: sample.prompt_length] == (
                own.trajectory.prompt_ids + own.trajectory.response_ids[: branch.position]
            )
            # It goes another way at once, with a token that the policy may take there.
            first = branch.completion.token_ids[0]
            assert first != own.trajectory.response_ids[branch.position]
            assert policy.law(sample.token_ids[: sample.prompt_length])[first] > 0
            assert len(sample.advantages) == len(sample.logprobs) == sample.response_length


def test_a_stretch_that_trajectories_share_is_learned_from_once():
    _, _, credits = credited(PLAIN, count=4)
    branches = [id(branch.completion) for credit in credits for branch in credit.branches]
    assert len(branches) == len(set(branches)) > 10


def test_where_every_ending_is_alike_nothing_is_learned(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tabular, "reward_of", lambda response: 0.0)
    _, _, credits = credited(PLAIN, count=4)
    assert any(value.rollouts for credit in credits for value in credit.values)
    assert not any(credit.branches for credit in credits)


def test_the_mask_of_sure_tokens_holds_for_branches_too():
    _, _, credits = credited(PLAIN, mask_above=0.5)
    branches = [branch for credit in credits for branch in credit.branches]
    masks = {learns for branch in branches for learns in branch.mask or ()}
    assert masks == {True, False}
    assert all(len(branch.mask or ()) == len(branch.completion.token_ids) for branch in branches)


@pytest.mark.parametrize("sampling", [PLAIN, SHARP])
def test_the_mean_advantage_is_what_leaving_is_worth_above_the_state(sampling: Sampling):
    """By enumeration, with V(s) = P V(next) + (1 - P) D: rollouts that teach nothing count as 0."""
    policy = Tabular(sampling)
    group = policy.trajectories(1, seed=5)
    (own,), bounds = group, group[0].bounds
    assigner = coupled_learning_from_rollouts(policy, rollouts=4)
    found: list[list[float]] = [[] for _ in bounds[:-1]]
    for seed in range(600):
        (credit,) = assigner(group, seed=seed)
        taught = {id(branch.completion): branch.advantage for branch in credit.branches}
        for state, advantages in zip(credit.values[:-1], found, strict=True):
            advantages += [taught.get(id(rollout.completion), 0.0) for rollout in state.rollouts]
    values = [policy.value(own.trajectory.response_ids[:at]) for at in bounds]
    following = following_probabilities(own, bounds)
    for (value, after), stays, advantages in zip(pairwise(values), following, found, strict=True):
        if stays < 0.98:
            leaving = (value - stays * after) / (1 - stays)
            error = stdev(advantages) / sqrt(len(advantages))
            assert fmean(advantages) == pytest.approx(leaving - value, abs=5 * error)
