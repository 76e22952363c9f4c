"""Tree credit: by hand, as RLOO where nothing restarts, and its expected gradient against the enumerated one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import log

import pytest
from enumerated import gradient_of, largest_z, sampled_gradients
from hypothesis import given
from hypothesis import strategies as st
from tabular import LIMIT, PLAIN, PROMPT, SHARP, STOPPED, Tabular
from test_tree import scored

from vineppo.credit.group import GroupAssigner, rloo
from vineppo.credit.mask import masked
from vineppo.credit.restarts import Law, rollout_advantages, trajectory_advantages, tree_values
from vineppo.credit.tree import Tree, grow
from vineppo.credit.tree_assigner import TreeAssigner, affordable_restarts, elsewhere, expected_tokens
from vineppo.seams import CreditAssigner
from vineppo.types import Branch, Credit, Sampling, Scored


def token_tree(*group: Scored) -> Tree:
    return grow(group, [range(len(own.trajectory.response_ids) + 1) for own in group])


def tree_credit(
    policy: Tabular, restarts: float, share: float = 1.0, *, token_budget: int | None = None
) -> TreeAssigner:
    return TreeAssigner(
        policy.environment(),
        restarts=restarts,
        token_budget=token_budget,
        share=share,
        prior=2.0,
        sampling=policy.sampling,
    )


# --- by hand -----------------------------------------------------------------------------------------------------

PAIR = scored((5, 0), (0.5, 1.0), (0, 2), 1.0), scored((6, 0), (0.3, 1.0), (0, 2), 0.0)
"""They part at once; the policy leaves both with probability 0.2."""


def test_values_by_hand():
    tree = token_tree(*PAIR)
    root = tree.routes[0][0]
    without = tree_values(tree, Law(restarts=1.0), {}).values[root]
    assert without == pytest.approx((1 + 0 + 2 * (0.5 * 1 + 0.3 * 0 + 0.2 * 0.5)) / 4)
    found = tree_values(tree, Law(restarts=1.0), {root: [1.0]}).values[root]
    assert found == pytest.approx(without + (1 - 0.5) / 4)


def test_advantages_by_hand():
    tree = token_tree(*PAIR)
    root = tree.routes[0][0]
    found = tree_values(tree, Law(restarts=1.0), {root: [1.0]})
    assert found.baselines[root] == {0: 0.0, 1: 1.0}
    first, second = trajectory_advantages(tree, Law(restarts=1.0), found)
    weight = 2 / 4  # trajectories; samples at the root
    assert first[0] == pytest.approx(weight * (1 - 0 + 2 * 0.5 * (1 - 0.5)))
    assert second[0] == pytest.approx(weight * (0 - 1 + 2 * 0.3 * (0 - 0.5)))
    assert rollout_advantages(tree, Law(restarts=1.0, share=0.5), found, root, reward=1.0, length=3) == pytest.approx(
        (0.25, 0.125, 0.125)
    )


def test_occupancy_by_hand():
    tree = token_tree(*PAIR)
    route = tree.routes[0]
    assert tree_values(tree, Law(restarts=1.0, share=0.0), {}).occupancy[route[1]] == pytest.approx(0.5)
    # A quarter from the trajectory; half of the weight restarts, half of which stays here.
    assert tree_values(tree, Law(restarts=1.0), {}).occupancy[route[1]] == pytest.approx(0.25 + 0.5 * 0.5)
    assert tree_values(tree, Law(restarts=3.0), {}).occupancy[route[1]] == pytest.approx(0.125 + 0.75 * 0.5)


def test_the_baseline_is_what_became_of_the_others_from_the_last_common_node():
    # Three share their first token; the fourth parts at once.
    group = (
        scored((5, 6, 0), (0.9, 0.4, 1.0), (0, 3), 1.0),
        scored((5, 7, 0), (0.9, 0.3, 1.0), (0, 3), 0.0),
        scored((5, 7, 7, 0), (0.9, 0.3, 0.5, 1.0), (0, 4), 1.0),
        scored((6, 0), (0.05, 1.0), (0, 2), 0.0),
    )
    tree = token_tree(*group)
    found = tree_values(tree, Law(restarts=0.0), {})
    shared = (1 + 0 + 1) / 3  # the value of having taken 5
    at_start, after, alone = (found.baselines[place][0] for place in tree.routes[0][:-1])
    assert at_start == pytest.approx((shared + shared + 0) / 3)
    assert after == alone == pytest.approx((0.5 + 0.5 + 0) / 3)  # what 7 is worth, twice, and the one that parted


def test_the_mean_of_other_questions_is_so_many_more_trajectories():
    group = [scored((5 + which, 0), (0.1, 1.0), (0, 2), reward) for which, reward in enumerate((1.0, 0.0, 0.0))]
    tree = token_tree(*group)
    found = tree_values(tree, Law(restarts=0.0, elsewhere=(0.8, 2.0)), {})
    assert found.baselines[tree.routes[0][0]][0] == pytest.approx((0 + 0 + 2 * 0.8) / 4)
    assert elsewhere([group[:1], group, group[1:2]], 2.0) == [
        (pytest.approx((1 / 3 + 0) / 2), 2.0),
        (pytest.approx(0.5), 2.0),
        (pytest.approx((1 + 1 / 3) / 2), 2.0),
    ]
    assert elsewhere([group], 2.0) == [(0.0, 0.0)]


# --- identities --------------------------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.integers(2, 5), st.sampled_from([PLAIN, SHARP]))
def test_without_restarts_it_is_rloo(seed: int, count: int, sampling: Sampling):
    policy = Tabular(sampling)
    group = policy.trajectories(count, seed=seed)
    alike = gradient_of(policy, group, tree_credit(policy, 0.0)(group, seed=seed))
    expected = gradient_of(policy, group, GroupAssigner(rloo)(group, seed=seed))
    for prefix, gradient in expected.items():
        assert alike[prefix] == pytest.approx(gradient, abs=1e-9)


@given(st.integers(0, 300), st.integers(2, 4), st.sampled_from([0.0, 0.3, 2.0]), st.sampled_from([PLAIN, SHARP]))
def test_a_token_that_all_take_and_that_is_sure_gets_nothing(
    seed: int, count: int, restarts: float, sampling: Sampling
):
    policy = Tabular(sampling)
    group = policy.trajectories(count, seed=seed)
    tree = token_tree(*group)
    credits = tree_credit(policy, restarts)(group, seed=seed)
    for route, credit in zip(tree.routes, credits, strict=True):
        for place, advantage in zip(route[:-1], credit.advantages, strict=True):
            fork = tree.forks[place]
            if fork.visits == count and fork.leaving == 0 and len(fork.paths) == 1:
                assert advantage == pytest.approx(0, abs=1e-9)


def test_a_branch_says_how_probable_its_first_token_is_under_the_whole_law():
    policy = Tabular(PLAIN)
    group = policy.trajectories(3, seed=0)
    credits = tree_credit(policy, 9.0)(group, seed=0)
    branches = [(own, branch) for own, credit in zip(group, credits, strict=True) for branch in credit.branches]
    assert len(branches) > 10
    for own, branch in branches:
        before = PROMPT + own.trajectory.response_ids[: branch.position]
        first = branch.completion.token_ids[0]
        assert branch.completion.logprobs[0] == pytest.approx(log(policy.law(before)[first]), abs=1e-6)
    (own, branch), likely = branches[0], 0.3
    (learns, *_) = masked(Credit(advantages=(), branches=(branch,)), own, likely).branches[0].mask or ()
    assert learns == (branch.completion.logprobs[0] < log(likely))


def test_the_same_seed_gives_the_same_credit_and_every_rollout_is_counted_once():
    policy = Tabular(PLAIN)
    group = policy.trajectories(4, seed=1)
    first, again = tree_credit(policy, 1.0)(group, seed=5), tree_credit(policy, 1.0)(group, seed=5)
    assert first == again
    taught = [id(branch.completion) for credit in first for branch in credit.branches]
    assert len(taught) == len(set(taught))


def test_a_budget_is_kept_by_looking_at_the_other_questions():
    policy = Tabular(PLAIN)
    trees = [token_tree(*policy.trajectories(3, seed=seed)) for seed in range(3)]
    costs = [expected_tokens(tree) / 3 for tree in trees]
    restarts = affordable_restarts(trees, 9.0, 4)
    assert restarts[0] == pytest.approx(4 / ((costs[1] + costs[2]) / 2))
    assert affordable_restarts(trees, 0.01, 4) == [0.01] * 3
    assert affordable_restarts(trees, 0.5, None) == [0.5] * 3
    assert affordable_restarts(trees[:1], 9.0, 4) == pytest.approx([4 / costs[0]])


# --- the expected gradient ---------------------------------------------------------------------------------------


LAWS = [(0.0, 1.0), (0.2, 1.0), (0.2, 0.0), (1.5, 0.5)]
CASES = [
    *((sampling, count, *law, 2) for sampling, count in ((PLAIN, 2), (PLAIN, 4), (SHARP, 3)) for law in LAWS),
    *((PLAIN, 4, 0.2, 1.0, step) for step in (1, LIMIT)),  # steps play no part in it
    (STOPPED, 3, 0.5, 1.0, 2),
]


@pytest.mark.parametrize(("sampling", "count", "restarts", "share", "step"), CASES)
def test_its_expected_gradient_is_that_of_the_value_of_the_start(
    sampling: Sampling, count: int, restarts: float, share: float, step: int
):
    assign = partial(tree_credit, restarts=restarts, share=share)
    truth, rows = sampled_gradients(Tabular(sampling), assign, count=count, step=step, times=1500)
    assert largest_z(Tabular(sampling), truth, rows) < 4.5


def test_that_test_sees_rollouts_that_count_too_much():
    """As they do where each is weighted like a whole trajectory."""

    def wrong(policy: Tabular) -> CreditAssigner:
        assign = tree_credit(policy, 1.0)

        def louder(trajectories: Sequence[Scored], **kwargs) -> list[Credit]:
            credits = assign(trajectories, **kwargs)
            return [replace(own, branches=tuple(map(twice, own.branches))) for own in credits]

        return louder

    def twice(branch: Branch) -> Branch:
        return replace(branch, advantages=tuple(2 * advantage for advantage in branch.advantages))

    truth, rows = sampled_gradients(Tabular(PLAIN), wrong, count=4, step=2, times=1500)
    assert largest_z(Tabular(PLAIN), truth, rows) > 6


@pytest.mark.parametrize("sampling", [PLAIN, SHARP])
def test_its_gradient_varies_less_than_that_of_the_same_trajectories_alone(sampling: Sampling):
    def variance(assign: Callable[[Tabular], CreditAssigner]) -> float:
        _, rows = sampled_gradients(Tabular(sampling), assign, count=5, step=2, times=600)
        return float(rows.var(0).sum())

    alone = variance(lambda policy: GroupAssigner(rloo))
    some, many = (variance(partial(tree_credit, restarts=restarts)) for restarts in (0.5, 3.0))
    assert alone > 1.1 * some
    assert some > 1.5 * many
