"""Tree credit: by hand, as RLOO where nothing restarts, and its expected gradient against the enumerated one."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabular import LIMIT, PLAIN, PROMPT, SHARP, Tabular
from test_tree import scored

from vineppo.credit.group import GroupAssigner, rloo
from vineppo.credit.mask import masked
from vineppo.credit.restarts import rollout_advantages, trajectory_advantages, tree_values
from vineppo.credit.tree import Tree, grow
from vineppo.credit.tree_assigner import TreeAssigner, affordable_restarts, expected_tokens
from vineppo.seams import CreditAssigner
from vineppo.types import Branch, Credit, Sampling, Scored

Gradient = dict[tuple[int, ...], np.ndarray]
"""By response prefix: of the logits of what comes next."""


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
        sampling=policy.sampling,
    )


# --- by hand -----------------------------------------------------------------------------------------------------

PAIR = scored((5, 0), (0.5, 1.0), (0, 2), 1.0), scored((6, 0), (0.3, 1.0), (0, 2), 0.0)
"""They part at once; the policy leaves both with probability 0.2."""


def test_values_by_hand():
    tree = token_tree(*PAIR)
    root = tree.routes[0][0]
    without = tree_values(tree, 1.0, 1.0, {}).values[root]
    assert without == pytest.approx((1 + 0 + 2 * (0.5 * 1 + 0.3 * 0 + 0.2 * 0.5)) / 4)
    found = tree_values(tree, 1.0, 1.0, {root: [1.0]}).values[root]
    assert found == pytest.approx(without + (1 - 0.5) / 4)


def test_advantages_by_hand():
    tree = token_tree(*PAIR)
    root = tree.routes[0][0]
    found = tree_values(tree, 1.0, 1.0, {root: [1.0]})
    assert found.baselines[root] == {0: 0.0, 1: 1.0}
    first, second = trajectory_advantages(tree, 1.0, found)
    weight = 2 / 4  # trajectories; samples at the root
    assert first[0] == pytest.approx(weight * (1 - 0 + 2 * 0.5 * (1 - 0.5)))
    assert second[0] == pytest.approx(weight * (0 - 1 + 2 * 0.3 * (0 - 0.5)))
    assert rollout_advantages(tree, (1.0, 0.5), found, root, (1.0, 3)) == pytest.approx((0.25, 0.125, 0.125))


def test_occupancy_by_hand():
    tree = token_tree(*PAIR)
    route = tree.routes[0]
    assert tree_values(tree, 1.0, 0.0, {}).occupancy[route[1]] == pytest.approx(0.5)
    # A quarter from the trajectory; half of the weight restarts, half of which stays here.
    assert tree_values(tree, 1.0, 1.0, {}).occupancy[route[1]] == pytest.approx(0.25 + 0.5 * 0.5)
    assert tree_values(tree, 3.0, 1.0, {}).occupancy[route[1]] == pytest.approx(0.125 + 0.75 * 0.5)


def test_the_baseline_is_what_became_of_the_others_from_the_last_common_node():
    # Three share their first token; the fourth parts at once.
    group = (
        scored((5, 6, 0), (0.9, 0.4, 1.0), (0, 3), 1.0),
        scored((5, 7, 0), (0.9, 0.3, 1.0), (0, 3), 0.0),
        scored((5, 7, 7, 0), (0.9, 0.3, 0.5, 1.0), (0, 4), 1.0),
        scored((6, 0), (0.05, 1.0), (0, 2), 0.0),
    )
    tree = token_tree(*group)
    found = tree_values(tree, 0.0, 1.0, {})
    shared = (1 + 0 + 1) / 3  # the value of having taken 5
    at_start, after, alone = (found.baselines[place][0] for place in tree.routes[0][:-1])
    assert at_start == pytest.approx((shared + shared + 0) / 3)
    assert after == alone == pytest.approx((0.5 + 0.5 + 0) / 3)  # what 7 is worth, twice, and the one that parted


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


def true_gradient(policy: Tabular) -> Gradient:
    """grad V(root) with respect to the logits of every state: d(s) pi(a|s) (Q(s, a) - V(s)), by enumeration."""
    gradient: Gradient = {}
    ahead: list[tuple[tuple[int, ...], float]] = [((), 1.0)]
    while ahead:
        prefix, reached = ahead.pop()
        if (prefix and prefix[-1] == 0) or len(prefix) == LIMIT:
            continue
        law = np.array(policy.law(PROMPT + prefix))
        after = np.array([policy.value((*prefix, token)) if chance else 0.0 for token, chance in enumerate(law)])
        gradient[prefix] = reached * law * (after - policy.value(prefix))
        ahead += [((*prefix, token), reached * chance) for token, chance in enumerate(law) if chance]
    return gradient


def gradient_of(policy: Tabular, group: Sequence[Scored], credits: Sequence[Credit]) -> Gradient:
    """What the learner follows: (1 / c) sum of A_t grad log p(token t), of trajectories and branches."""
    found: Gradient = defaultdict(lambda: np.zeros(3))

    def add(prefix: tuple[int, ...], tokens: Sequence[int], advantages: Sequence[float]) -> None:
        for token, advantage in zip(tokens, advantages, strict=True):
            found[prefix] += advantage / len(group) * (np.eye(3)[token] - policy.law(PROMPT + prefix))
            prefix = (*prefix, token)

    for own, credit in zip(group, credits, strict=True):
        add((), own.trajectory.response_ids, credit.advantages)
        for branch in credit.branches:
            before = own.trajectory.response_ids[: branch.position]
            add(before, branch.completion.token_ids, branch.advantages)
    return found


def sampled_gradients(
    sampling: Sampling, assign: Callable[[Tabular], CreditAssigner], *, count: int, step: int, times: int
) -> tuple[Gradient, np.ndarray]:
    """The true gradient, and [times, coordinates] sampled ones in its order of states."""
    policy = Tabular(sampling)
    truth = true_gradient(policy)
    assigner = assign(policy)
    rows = []
    for seed in range(times):
        group = policy.trajectories(count, seed=seed, step=step)
        found = gradient_of(policy, group, assigner(group, seed=seed))
        rows.append(np.concatenate([found.get(prefix, np.zeros(3)) for prefix in truth]))
    return truth, np.array(rows)


def largest_z(policy: Tabular, truth: Gradient, rows: np.ndarray) -> float:
    """Of coordinates seen often enough to tell, those of rare tokens left out, and of random sums over all."""
    true = np.concatenate(list(truth.values()))
    common = np.concatenate([[min(filter(None, policy.law(PROMPT + prefix))) > 0.04] * 3 for prefix in truth])
    seen = common & ((rows != 0).mean(0) > 0.05)
    mixed = np.random.default_rng(0).normal(size=(len(true), 40)) / sqrt(len(true))
    errors = np.hstack([rows[:, seen] - true[seen], (rows - true) @ mixed])
    return float(np.max(np.abs(errors.mean(0)) / (errors.std(0) / sqrt(len(rows)))))


@pytest.mark.parametrize("step", [1, 2, LIMIT])
@pytest.mark.parametrize(("restarts", "share"), [(0.0, 1.0), (0.2, 1.0), (0.2, 0.0), (1.5, 0.5)])
@pytest.mark.parametrize(("sampling", "count"), [(PLAIN, 2), (PLAIN, 4), (SHARP, 3)])
def test_its_expected_gradient_is_that_of_the_value_of_the_start(
    sampling: Sampling, count: int, restarts: float, share: float, step: int
):
    if step != 2 and (restarts, count) != (0.2, 4):
        pytest.skip("steps play no part in it: one setting shows that")
    assign = partial(tree_credit, restarts=restarts, share=share)
    truth, rows = sampled_gradients(sampling, assign, count=count, step=step, times=1500)
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

    truth, rows = sampled_gradients(PLAIN, wrong, count=4, step=2, times=1500)
    assert largest_z(Tabular(PLAIN), truth, rows) > 6


@pytest.mark.parametrize("sampling", [PLAIN, SHARP])
def test_its_gradient_varies_less_than_that_of_the_same_trajectories_alone(sampling: Sampling):
    def variance(assign: Callable[[Tabular], CreditAssigner]) -> float:
        _, rows = sampled_gradients(sampling, assign, count=5, step=2, times=600)
        return float(rows.var(0).sum())

    alone = variance(lambda policy: GroupAssigner(rloo))
    some, many = (variance(partial(tree_credit, restarts=restarts)) for restarts in (0.5, 3.0))
    assert alone > 1.1 * some
    assert some > 1.5 * many
