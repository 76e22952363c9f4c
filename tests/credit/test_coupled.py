"""Coupled vines: by hand, by identity, and against a policy that can be enumerated."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from math import log, sqrt
from statistics import fmean, stdev, variance

import pytest
from enumerated import largest_z as largest_z_of_gradients
from enumerated import sampled_gradients
from hypothesis import given
from hypothesis import strategies as st
from tabular import LIMIT, PLAIN, PROMPT, SHARP, STOPPED, Tabular, slips, without_slips
from test_tree import scored, tree_of

from vineppo.credit.coupled import advantage_variance, coupled_values
from vineppo.credit.coupled_assigner import CoupledAssigner, by_question
from vineppo.credit.vine import VineAssigner
from vineppo.engines.fake import FakeEngine
from vineppo.seams import CreditAssigner, Progress
from vineppo.types import Credit, Sampling, Scored

Assign = Callable[[Tabular], CoupledAssigner | VineAssigner]


def coupled(rollouts: int, *, token_budget: int | None = None, segments: int | None = None) -> Assign:
    return lambda policy: CoupledAssigner(
        policy.environment(),
        rollouts=rollouts,
        token_budget=token_budget,
        segments=segments,
        sampling=policy.sampling,
    )


def vine(rollouts: int) -> Assign:
    return lambda policy: VineAssigner(
        policy.environment(), rollouts=rollouts, max_states=None, sampling=policy.sampling
    )


# --- by hand -----------------------------------------------------------------------------------------------------

CHAIN = scored((5, 6, 0), (0.8, 1.0, 0.5), (0, 2, 3), 1.0)
"""Forks: the end, then state 1, left with probability 0.5, then state 0, left with probability 0.2."""


def values(rewards: dict[int, Sequence[float]], rollouts: float = 4) -> list[float]:
    return [estimate.value for estimate in coupled_values(tree_of(CHAIN), rollouts, rewards)]


def test_a_chain_by_hand():
    assert values({1: [0, 1], 2: [0, 0]}, rollouts=10) == pytest.approx([1, 0.5 + 0.5 * 0.5, 0.8 * 0.75])


def test_a_rollout_that_was_unlikely_to_come_counts_as_often_as_it_was_unlikely():
    with_it, without = values({1: [0, 1], 2: [0]})[2], values({1: [0, 1]})[2]  # n = 4 x 0.2
    assert without == pytest.approx(0.75)
    assert with_it == pytest.approx(0.75 + 0.2 * (0 - 0.75) / 0.8)
    assert 0.8 * with_it + 0.2 * without == pytest.approx(0.8 * 0.75 + 0.2 * 0)


def test_a_fork_by_hand():
    pair = scored((5, 0), (0.5, 1.0), (0, 2), 1.0), scored((6, 0), (0.3, 1.0), (0, 2), 0.0)
    root = coupled_values(tree_of(*pair), 9, {2: [0.0, 0.0, 1.0, 1.0]})[-1]
    assert root.value == pytest.approx(0.5 * 1 + 0.3 * 0 + 0.2 * 0.5)


def test_variances_by_hand():
    estimates = coupled_values(tree_of(CHAIN), 10, {1: [0, 1], 2: [0, 0]})
    alike = 0.24  # of rewards 1, 0, 1, 0, 0
    first = 0.25 * 0.5 / 2
    second = 0.64 * first + 0.04 * (0 + alike) / 4
    assert [own.variance for own in estimates] == pytest.approx([0, first, second])
    assert advantage_variance(estimates[1], estimates[0], 0.5) == pytest.approx(first)
    assert advantage_variance(estimates[2], estimates[1], 0.8) == pytest.approx(0.04 * (first + alike / 4))


def test_a_step_that_is_never_taken_again_is_all_leaving():
    impossible = scored((5,) * 400, (0.1,) * 400, (0, 400), 1.0)
    assert coupled_values(tree_of(impossible), 2, {1: [0.0, 1.0]})[1].value == 0.5


def test_where_all_rewards_are_alike_what_was_not_seen_is_not_known():
    end, first, second = coupled_values(tree_of(CHAIN), 4, {1: [1.0, 1.0]})
    assert (end.value, first.value, second.value) == (1.0, 1.0, 1.0)
    assert end.variance == 0
    assert first.variance == pytest.approx(0.25 * 0.5 / 12)  # two that left agree
    # None left, though 0.8 were expected: whether they succeed is a toss.
    assert second.variance == pytest.approx((0.64 + 0.04 * 0.25) * first.variance + 0.04 * 0.25 / 0.8)


# --- the assigner ------------------------------------------------------------------------------------------------


def credit_of(policy: Tabular, group: Sequence[Scored], assign: Assign, seed: int = 0) -> list[Credit]:
    return assign(policy)(group, seed=seed)


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 9), st.sampled_from([PLAIN, SHARP]))
def test_advantages_telescope_to_the_reward_minus_the_first_value(
    seed: int, count: int, rollouts: int, sampling: Sampling
):
    policy = Tabular(sampling)
    group = policy.trajectories(count, seed=seed)
    for own, credit in zip(group, credit_of(policy, group, coupled(rollouts)), strict=True):
        steps = [credit.advantages[start] for start in own.bounds[:-1]]
        assert sum(steps) == pytest.approx(own.reward - credit.values[0].value)
        assert credit.values[-1].value == own.reward
        assert [value.position for value in credit.values] == list(own.bounds)
        assert credit.standard_errors is not None
        assert len(credit.advantages) == len(credit.standard_errors) == len(own.trajectory.response_ids)


def test_a_policy_that_is_sure_needs_no_rollouts():
    greedy = Tabular(Sampling(temperature=0.6, top_p=0.01, max_new_tokens=LIMIT))
    (own,) = greedy.trajectories(1, seed=0)
    assert own.trajectory.logprobs == (0.0,) * len(own.trajectory.logprobs)
    assigner = coupled(9)(greedy)
    (credit,) = assigner([own], seed=0)
    assert credit.advantages == (0.0,) * len(credit.advantages)
    assert {value.standard_error for value in credit.values} == {0.0}
    assert not any(value.rollouts for value in credit.values)


@pytest.mark.parametrize("sampling", [PLAIN, SHARP])
def test_rollouts_leave_where_they_should(sampling: Sampling):
    """FakeEngine raises where the forbidden tokens are the only ones; here it must not, and nothing known comes."""
    policy = Tabular(sampling)
    environment = policy.environment()
    assigner = CoupledAssigner(environment, rollouts=30, token_budget=None, segments=None, sampling=sampling)
    group = policy.trajectories(4, seed=3)
    credits = assigner(group, seed=0)
    known = {own.trajectory.response_ids[: at + 1] for own in group for at in range(len(own.trajectory.response_ids))}
    left = {id(value.rollouts): value.rollouts for credit in credits for value in credit.values}
    for rollout in (own for rollouts in left.values() for own in rollouts):
        assert tuple(map(int, rollout.text)) not in known
    assert isinstance(environment.engine, FakeEngine)
    for request in environment.engine.requests:
        taken = {own[-1] for own in known if (*PROMPT, *own[:-1]) == request.prefix}
        assert set(request.forbidden_first) == taken
        assert request.max_new_tokens == LIMIT - len(request.prefix) + 1


def test_the_same_seed_gives_the_same_credit_whatever_is_beside_it():
    policy = Tabular(PLAIN)
    group = policy.trajectories(3, seed=1)
    other = [
        replace(own, trajectory=replace(own.trajectory, question=replace(own.trajectory.question, id="r")))
        for own in group
    ]
    alone = credit_of(policy, group, coupled(3))
    assert credit_of(policy, [*other, *group], coupled(3))[3:] == alone
    assert credit_of(policy, group, coupled(3), seed=1) != alone


def test_trajectories_are_grouped_by_question():
    first, second = scored((5, 0), (0.5, 1.0), (0, 2), 1.0), scored((6, 0), (0.5, 1.0), (0, 2), 1.0)
    other = replace(first, trajectory=replace(first.trajectory, prompt_ids=(2,)))
    assert by_question([first, other, second]) == [[0, 2], [1]]


# --- exact enumeration -------------------------------------------------------------------------------------------

ESTIMATORS = {
    "vine": vine(3),
    "coupled, rollouts seldom": coupled(1),
    "coupled": coupled(4),
    "within a token budget": coupled(9, token_budget=30),
    "a pilot decides where": coupled(4, segments=1),
    "a pilot within a budget": coupled(9, segments=1, token_budget=40),
}


def residuals(
    policy: Tabular, group: Sequence[Scored], assign: Assign, seeds: int
) -> dict[tuple[int, int], list[float]]:
    """Value minus the enumerated one, per trajectory and state, for every seed in which it was measured."""
    found: dict[tuple[int, int], list[float]] = defaultdict(list)
    for seed in range(seeds):
        for index, (own, credit) in enumerate(zip(group, credit_of(policy, group, assign, seed), strict=True)):
            for value in credit.values[:-1]:
                exact = policy.value(own.trajectory.response_ids[: value.position])
                found[index, value.position].append(value.value - exact)
    return found


def largest_z(found: dict[tuple[int, int], list[float]]) -> float:
    """What could happen once in all these seeds, but did not, is no bias."""
    often = [errors for errors in found.values() if len(errors) > 30]
    return max(abs(fmean(own)) / max(stdev(own) / sqrt(len(own)), 1 / len(own)) for own in often)


def long_group(policy: Tabular, count: int) -> list[Scored]:
    """Whose first trajectory has four steps, and whose others part from it after the first token."""
    groups = (policy.trajectories(count, seed=seed) for seed in range(1000))
    return next(
        group
        for group in groups
        if group[0].num_steps == 4
        and all(own.trajectory.response_ids[0] == group[0].trajectory.response_ids[0] for own in group)
    )


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("sampling", [PLAIN, SHARP, STOPPED], ids=["plain", "sharp", "stopped"])
@pytest.mark.parametrize("count", [1, 3])
def test_every_value_is_unbiased(name: str, sampling: Sampling, count: int):
    policy = Tabular(sampling)
    group = long_group(policy, count)
    found = residuals(policy, group, ESTIMATORS[name], seeds=600)
    assert len(found) >= 3
    assert largest_z(found) < 4.2


def test_bias_would_show():
    """The same test with the trajectory's probabilities taken from another law than the rollouts'."""
    policy, other = Tabular(PLAIN), Tabular(SHARP)
    (own,) = long_group(policy, 1)
    path = [(1, *own.trajectory.response_ids[:at]) for at in range(len(own.trajectory.response_ids))]
    wrong = [
        max(other.law(prefix)[token], 1e-9) for prefix, token in zip(path, own.trajectory.response_ids, strict=True)
    ]
    mistaken = replace(own, trajectory=replace(own.trajectory, logprobs=tuple(map(log, wrong))))
    assert largest_z(residuals(policy, [mistaken], coupled(4), seeds=600)) > 5


@pytest.mark.parametrize(("rollouts", "most"), [(2, 1.5), (10, 1.15)])
def test_reported_errors_are_the_real_ones(rollouts: int, most: float):
    """Of values and of advantages, on average over states and seeds; of few rollouts more is feared than is true."""
    policy = Tabular(PLAIN)
    group = policy.trajectories(3, seed=5)
    values, advantages = defaultdict(list), defaultdict(list)
    for seed in range(500):
        for index, credit in enumerate(credit_of(policy, group, coupled(rollouts), seed)):
            assert credit.standard_errors is not None
            for before, after in pairwise(credit.values):
                assert before.standard_error is not None
                values[index, before.position].append((before.value, before.standard_error**2))
                advantages[index, before.position].append(
                    (after.value - before.value, credit.standard_errors[before.position] ** 2)
                )
    for measured in (values, advantages):
        real = fmean(variance(value for value, _ in own) for own in measured.values())
        reported = fmean(fmean(believed for _, believed in own) for own in measured.values())
        assert 0.87 < reported / real < most


def test_error_falls_faster_than_for_independent_rollouts_of_the_same_number():
    policy = Tabular(SHARP)
    group = policy.trajectories(3, seed=5)

    def squared_error(assign: Assign) -> float:
        errors = []
        for seed in range(200):
            for own, credit in zip(group, credit_of(policy, group, assign, seed), strict=True):
                exact = [policy.value(own.trajectory.response_ids[:at]) for at in own.bounds]
                errors += [
                    (credit.advantages[start] - (after - before)) ** 2
                    for start, (before, after) in zip(own.bounds, pairwise(exact), strict=False)
                ]
        return fmean(errors)

    assert squared_error(coupled(4)) < 0.5 * squared_error(vine(4))


# --- the expected gradient where not every state can be afforded --------------------------------------------------


def frugal(policy: Tabular, *, segments: int | None = None) -> CreditAssigner:
    """Too few tokens for a rollout from every state, in a batch with another question."""
    assign = CoupledAssigner(
        policy.environment(), rollouts=9, token_budget=2, segments=segments, sampling=policy.sampling
    )

    def credit(trajectories: Sequence[Scored], *, seed: int, progress: Progress | None = None) -> list[Credit]:
        others = [elsewhere(own) for own in policy.trajectories(4, seed=seed + 1_000_000, step=1)]
        return assign([*trajectories, *others], seed=seed, progress=progress)[: len(trajectories)]

    return credit


def elsewhere(scored: Scored) -> Scored:
    question = replace(scored.trajectory.question, id="another")
    return replace(scored, trajectory=replace(scored.trajectory, question=question))


RARE_SLIPS = Tabular(PLAIN, slips, without_slips)
"""Where improbable tokens decide, states that lie before improbable tokens are another sample than states."""


@pytest.mark.parametrize("policy", [Tabular(PLAIN), Tabular(SHARP), RARE_SLIPS], ids=["plain", "sharp", "slips"])
def test_its_expected_gradient_on_a_small_budget_is_that_of_the_value_of_the_start(policy: Tabular):
    truth, rows = sampled_gradients(policy, frugal, count=3, step=1, times=1200)
    assert largest_z_of_gradients(policy, truth, rows) < 4.5


def test_that_test_sees_states_that_were_chosen_by_what_came_after_them():
    truth, rows = sampled_gradients(RARE_SLIPS, partial(frugal, segments=2), count=3, step=1, times=1200)
    assert largest_z_of_gradients(RARE_SLIPS, truth, rows) > 6
