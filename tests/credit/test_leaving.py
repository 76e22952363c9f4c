"""How many rollouts leave a tree and where: by hand and on average."""

import random
from collections import Counter, defaultdict
from dataclasses import replace
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabular import PLAIN, Tabular, every
from test_tree import scored, tree_of

from vineppo.credit.coupled import Estimate
from vineppo.credit.leaving import affordable, all_expected, draw_exits, expected_rollouts, expected_tokens
from vineppo.credit.plan import fit, plan_batch
from vineppo.credit.segments import cut_where_it_moves, segment_bounds, spaced_bounds

CHAIN = scored((5, 6, 0), (0.8, 1.0, 0.5), (0, 2, 3), 1.0)
"""Forks: the end, then state 1, left with probability 0.5, then state 0, left with probability 0.2 at its start."""


def test_rollouts_are_as_many_as_leaving_is_probable():
    assert [expected_rollouts(fork, 10) for fork in tree_of(CHAIN).forks] == pytest.approx([0, 5, 2])


def test_a_state_that_four_trajectories_share_gets_twice_as_many():
    assert [expected_rollouts(fork, 10) for fork in tree_of(*[CHAIN] * 4).forks] == pytest.approx([0, 10, 4])


def test_a_rollout_is_expected_to_be_as_long_as_what_it_left():
    assert expected_tokens(tree_of(CHAIN), 10) == pytest.approx(5 * 1 + 2 * 3)


def test_fewer_rollouts_where_tokens_are_short():
    tree = tree_of(CHAIN)
    assert affordable(tree, 10, None) == affordable(tree, 10, 11) == affordable(tree, 10, 12) == 10
    assert affordable(tree, 10, 5.5) == pytest.approx(5)
    assert affordable(tree_of(scored((5, 0), (1.0, 1.0), (0, 2), 1.0)), 10, 1) == 10


def test_counts_and_exits_are_right_on_average():
    policy = Tabular(PLAIN)
    group = policy.trajectories(3, seed=5)
    tree = tree_of(*group)
    counts: dict[int, list[int]] = defaultdict(list)
    exits: Counter[tuple[int, tuple[int, ...]]] = Counter()
    draws = 4000
    for seed in range(draws):
        drawn = draw_exits(tree, all_expected(tree, 3), random.Random(seed))
        for place in range(len(tree.forks)):
            counts[place].append(sum(times for at, _, times in drawn if at == place))
        for place, exit, times in drawn:
            exits[place, exit.prefix] += times
    for place, fork in enumerate(tree.forks):
        expected = expected_rollouts(fork, 3)
        assert set(counts[place]) <= {int(expected), int(expected) + 1}
        assert fmean(counts[place]) == pytest.approx(expected, abs=0.04)
        for exit in fork.exits:
            share = expected * exit.probability / fork.leaving
            assert exits[place, exit.prefix] / draws == pytest.approx(share, abs=0.05)


def test_what_left_already_is_not_drawn_again():
    tree = tree_of(CHAIN)
    drawn = draw_exits(tree, all_expected(tree, 10), random.Random(0), [0, 3, 9])
    assert [(place, times) for place, _, times in drawn] == [(1, 2)]


# --- budgets and segments ----------------------------------------------------------------------------------------

EVEN = scored((5,) * 8, (0.5,) * 8, tuple(range(9)), 1.0)
"""Eight steps, each left with probability 0.5: 36 tokens for 2 rollouts a step."""


def test_a_plan_without_a_budget_measures_everything():
    plan = fit([EVEN], (EVEN.bounds,), 9, None)
    assert (plan.bounds, plan.rollouts) == ((EVEN.bounds,), 9)


def test_a_budget_takes_rollouts_first():
    plan = fit([EVEN], (EVEN.bounds,), 9, 36)
    assert plan.bounds == (EVEN.bounds,)
    assert plan.rollouts == pytest.approx(2)
    assert expected_tokens(plan.tree, plan.rollouts) == pytest.approx(36)


def test_then_steps_are_measured_together():
    plan = fit([EVEN], (EVEN.bounds,), 9, 15)
    assert plan.bounds == ((0, 4, 8),)  # four segments of two steps would cost 16.5 with one rollout each
    assert plan.rollouts >= 1
    assert expected_tokens(plan.tree, plan.rollouts) <= 15 + 1e-9


def test_a_budget_is_for_each_trajectory_of_a_group():
    other = replace(EVEN, trajectory=replace(EVEN.trajectory, response_ids=(6,) * 8))
    plan = fit([EVEN, other], (EVEN.bounds,) * 2, 9, 20)
    assert expected_tokens(plan.tree, plan.rollouts) == pytest.approx(40)


def test_less_than_one_rollout_cannot_be_planned():
    plan = fit([EVEN], (EVEN.bounds,), 9, 1)
    assert (plan.bounds, plan.rollouts) == (((0, 8),), 1)


SURE = scored((6,) * 8, (0.99,) * 8, tuple(range(9)), 1.0)


def test_without_a_budget_every_step_of_a_batch_is_measured():
    plans = plan_batch([[EVEN], [SURE]], 9, None)
    assert [(plan.bounds, plan.rollouts) for plan in plans] == [((EVEN.bounds,), 9), ((SURE.bounds,), 9)]


def test_how_far_apart_states_are_is_decided_by_the_other_questions():
    # EVEN costs 18 tokens with one rollout a step, 14 with one every second step. SURE costs 0.36.
    beside_sure, sure = plan_batch([[EVEN], [SURE]], 9, 15)
    assert (beside_sure.bounds, beside_sure.rollouts) == ((EVEN.bounds,), 1), "its own cost does not count"
    assert (sure.bounds, sure.rollouts) == (((0, 8),), 9), "nothing of it surprises as much as two steps of EVEN"
    beside_even, _ = plan_batch([[EVEN], [EVEN]], 9, 15)
    assert beside_even.bounds == ((0, 2, 4, 6, 8),)
    assert expected_tokens(beside_even.tree, beside_even.rollouts) == pytest.approx(15)


def test_a_question_alone_has_only_itself_to_go_by():
    (plan,) = plan_batch([[EVEN]], 9, 15)
    assert plan.bounds == ((0, 2, 4, 6, 8),)


def test_less_than_one_rollout_a_response_cannot_be_planned():
    assert [plan.bounds for plan in plan_batch([[EVEN], [EVEN]], 9, 1)] == [((0, 8),)] * 2


@given(st.lists(st.floats(0.01, 1.0), min_size=3, max_size=12), st.floats(0.1, 6.0), st.integers(1, 11))
def test_a_cut_knows_nothing_of_what_comes_after_it(chances: list[float], stride: float, at: int):
    at = min(at, len(chances) - 1)
    whole, other = (
        scored((5,) * len(own), own, tuple(range(len(own) + 1)), 1.0)
        for own in (tuple(chances), (*chances[:at], *(1.0,) * (len(chances) - at)))
    )
    assert [b for b in spaced_bounds(whole, stride) if b <= at and b < len(chances)] == [
        b for b in spaced_bounds(other, stride) if b <= at and b < len(chances)
    ]


def test_segments_are_equally_surprising():
    assert segment_bounds(EVEN, 4) == EVEN.bounds  # leaving happens 8 x 0.5 times
    assert segment_bounds(EVEN, 3) == (0, 3, 5, 8)
    assert segment_bounds(EVEN, 2) == (0, 4, 8)
    assert segment_bounds(EVEN, 1) == (0, 8)


def test_where_the_policy_is_sure_no_bound_is_wasted():
    sure_first = scored((5,) * 8, (0.999,) * 4 + (0.01,) * 4, tuple(range(9)), 1.0)
    assert segment_bounds(sure_first, 2) == (0, 6, 8)
    assert segment_bounds(sure_first, 4) == sure_first.bounds


def sure(*values: float) -> list[Estimate]:
    return [Estimate(value=value, variance=1e-4) for value in values]


def test_a_segment_is_cut_in_the_middle_if_its_value_moves():
    assert cut_where_it_moves(EVEN, (0, 4, 8), sure(0.5, 0.5, 1)) == (0, 4, 6, 8)
    assert cut_where_it_moves(EVEN, (0, 4, 8), sure(0.5, 0.6, 1)) == (0, 2, 4, 6, 8)
    assert cut_where_it_moves(EVEN, (0, 4, 8), sure(1, 1, 1)) == (0, 4, 8)


def test_a_move_within_its_error_is_none():
    unsure = [Estimate(value=value, variance=0.25) for value in (0.6, 1.0, 1.0)]
    assert cut_where_it_moves(EVEN, (0, 4, 8), unsure) == (0, 4, 8)


def test_a_single_step_is_not_cut():
    assert cut_where_it_moves(EVEN, (0, 1, 8), sure(0.5, 0.9, 0.9)) == (0, 1, 8)
    assert cut_where_it_moves(EVEN, (0, 2, 8), sure(0.5, 0.9, 0.9)) == (0, 1, 2, 8)


def test_the_middle_is_where_half_the_surprise_is():
    late = scored((5,) * 8, (0.9,) * 6 + (0.01,) * 2, tuple(range(9)), 1.0)
    assert cut_where_it_moves(late, (0, 8), sure(0, 1)) == (0, 7, 8)


def test_bounds_every_so_many_tokens():
    assert every(3, EVEN.trajectory) == (0, 3, 6, 8)
