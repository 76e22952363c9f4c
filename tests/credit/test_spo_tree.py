"""SPO-tree: by hand, by identity, and its expected values and advantages on a policy that can be enumerated."""

import random
from collections import defaultdict
from dataclasses import replace
from math import exp, log, sqrt
from statistics import fmean

import pytest
from enumerated import gradient_of
from hypothesis import given
from hypothesis import strategies as st
from tabular import LIMIT, PLAIN, PROMPT, QUESTION, Tabular
from test_tree import scored

from vineppo.analysis.states import value_at
from vineppo.config.load import load_config
from vineppo.credit.settings import CreditParts
from vineppo.credit.spo_tree import (
    Node,
    SpoTreeAssigner,
    SpoTreeCredit,
    continued,
    deal_edges,
    edges,
    trajectory_path,
    tree_credit,
    value,
)
from vineppo.recipes.sources import parse_word
from vineppo.settings.shapes import Rollouts, Shape
from vineppo.types import Completion, Credit, Finish, Rollout, Scored


def assigner(policy: Tabular, *branching: int, tokens: int = 2, **settings: object) -> SpoTreeAssigner:
    given = {"branching": list(branching), "segment_tokens": tokens, "mask_above": None, **settings}
    parts = CreditParts(environment=policy.environment(), sampling=policy.sampling)
    return SpoTreeCredit.model_validate({"name": "spo_tree", **given}).build(parts)


def rollout(ids: tuple[int, ...], reward: float, *, left_out: bool = False) -> Rollout:
    completion = Completion(token_ids=ids, logprobs=(log(0.5),) * len(ids), finish=Finish.TERMINATED, policy_version=0)
    return Rollout(completion=completion, text="", reward=reward, left_out=left_out)


# --- by hand -----------------------------------------------------------------------------------------------------

ONE = scored((5, 6, 7, 0), (0.5, 0.95, 0.5, 1.0), (0, 1, 4), 1.0)
OTHER = scored((8, 0), (0.5, 1.0), (0, 2), 0.0)
"""The root's children: one goes on after two tokens, the other ends there."""


def small_tree(*rollouts: Rollout) -> tuple[Node, Node]:
    """The first is continued twice more."""
    first = Node(path=trajectory_path(ONE), start=0, stop=2, rollouts=rollouts)
    paths = [first.path, *(continued(first, own) for own in rollouts)]
    first.children = [Node(path=path, start=2, stop=len(path.response_ids)) for path in paths]
    return first, Node(path=trajectory_path(OTHER), start=0, stop=2)


TWICE = rollout((9, 0), 0.0), rollout((7, 7, 0), 1.0)


def test_values_and_advantages_by_hand():
    first, second = small_tree(*TWICE)
    assert (value(first), value(second)) == (pytest.approx(2 / 3), 0.0)
    below_first, below_second = edges([first, second], scale=False)
    assert [advantage for _, advantage in below_first] == pytest.approx([1 / 3, 1 / 3, -2 / 3, 1 / 3])
    assert [advantage for _, advantage in below_second] == pytest.approx([-1 / 3])


def test_scaled_by_the_siblings_standard_deviation():
    below_first, _ = edges(small_tree(*TWICE), scale=True)
    spread = sqrt(2 / 9)  # of 1, 0, 1
    below = [a / spread for a in (1 / 3, -2 / 3, 1 / 3)]
    assert [advantage for _, advantage in below_first] == pytest.approx([1, *below])
    assert [a for own in edges(small_tree(rollout((0,), 1.0)), scale=True) for _, a in own][1:3] == [0.0, 0.0]


def test_a_trajectory_has_its_own_edges_and_holds_those_that_left_it():
    children = small_tree(*TWICE)
    own, _ = edges(children, scale=False)
    credit = tree_credit(ONE, 1 / 3, own)
    assert credit.advantages == pytest.approx((1 / 3,) * 4)
    assert [(v.position, v.value) for v in credit.values] == [
        (0, pytest.approx(1 / 3)),
        (1, pytest.approx(1 / 3)),  # a step begins here, inside a segment
        (2, pytest.approx(2 / 3)),
        (4, 1.0),
    ]
    assert credit.values[2].rollouts == TWICE
    assert [(b.position, b.completion.token_ids) for b in credit.branches] == [(2, (9, 0)), (2, (7, 7, 0))]
    assert [b.advantages for b in credit.branches] == [pytest.approx((-2 / 3,) * 2), pytest.approx((1 / 3,) * 3)]


def test_a_rollout_that_is_left_out_teaches_nothing():
    own, _ = edges(small_tree(rollout((9, 0), 1.0, left_out=True), rollout((0,), 0.0)), scale=False)
    assert [advantage for _, advantage in own][2:] == [0.0, pytest.approx(-2 / 3)]


def test_its_rollouts_are_counted_before_they_are_sampled():
    # Of 10 tokens: 5 from depth 1, 7 tokens long; from each of 6 nodes at depth 2, 1 of 4 tokens.
    credit = SpoTreeCredit(branching=[6, 2], segment_tokens=3)
    assert credit.rollouts_of(Shape(length=10, states=())) == Rollouts(count=5 + 6, tokens=5 * 7 + 6 * 4)
    assert credit.rollouts_of(Shape(length=5, states=())) == Rollouts(count=5, tokens=10)
    assert SpoTreeCredit().rollouts_of(Shape(length=90, states=())).count == 215 // 6  # 216 leaves, 6 of trajectories


# --- on the enumerable policy ------------------------------------------------------------------------------------


def test_trees_have_the_shape_that_is_asked_for():
    policy = Tabular(PLAIN)
    group = policy.trajectories(3, seed=4)
    credits = assigner(policy, 3, 2)(group, seed=0)
    for own, credit in zip(group, credits, strict=True):
        length = len(own.trajectory.response_ids)
        assert len(credit.advantages) == length
        assert [v.position for v in credit.values] == [*range(0, length, 2), length]
        for branch in credit.branches:
            start = branch.position + len(branch.before)
            assert start in (2, 4)
            assert start == 4 or not branch.before
            assert len(branch.completion.token_ids) <= (2 if start == 2 else LIMIT - 4)
        if length > 4:
            # Two more from depth 1, one more from each node at depth 2: this one's, and theirs that go on.
            second = [b for b in credit.branches if b.position + len(b.before) == 2]
            further = [b for b in second if b.completion.token_ids[-1] != 0]
            assert (len(second), len(credit.branches)) == (2, 2 + 1 + 2 * len(further))


@given(st.integers(0, 500))
def test_where_nothing_branches_it_is_the_reward_minus_the_groups_mean(seed: int):
    policy = Tabular(PLAIN)
    group = policy.trajectories(4, seed=seed)
    mean = fmean(own.reward for own in group)
    for own, credit in zip(group, assigner(policy, 1, 1)(group, seed=0), strict=True):
        assert not credit.branches
        assert credit.advantages[:2] == pytest.approx((own.reward - mean,) * min(2, len(credit.advantages)))
        assert credit.advantages[2:] == (0.0,) * len(credit.advantages[2:])


@given(st.integers(0, 500))
def test_siblings_sum_to_zero_and_a_path_to_its_reward_minus_the_roots_value(seed: int):
    policy = Tabular(PLAIN)
    group = policy.trajectories(3, seed=seed)
    credits = assigner(policy, 2, 2)(group, seed=seed)
    assert sum(credit.advantages[0] for credit in credits) == pytest.approx(0, abs=1e-9)
    for own, credit in zip(group, credits, strict=True):
        edge_sum = sum(credit.advantages[at] for at in range(0, min(6, len(credit.advantages)), 2))
        assert edge_sum == pytest.approx(own.reward - credit.values[0].value)


def test_expected_values_are_the_true_ones_and_expected_advantages_what_the_equation_says():
    policy, children = Tabular(PLAIN), 3
    values, gains = defaultdict(list), defaultdict(list)
    for seed in range(800):
        group = policy.trajectories(children, seed=seed)
        for own, credit in zip(group, assigner(policy, 2, 2)(group, seed=seed), strict=True):
            ids = own.trajectory.response_ids
            values[()].append(credit.values[0].value)
            gains[(), ids[:2]].append(credit.advantages[0])
            for state in credit.values[1:-1]:
                if state.position in (2, 4):
                    values[ids[: state.position]].append(state.value)
            if len(ids) > 2:
                gains[ids[:2], ids[2:4]].append(credit.advantages[2])
    common = [state for state, own in values.items() if len(own) > 100]
    assert len(common) > 4
    for state in common:
        assert_mean(values[state], policy.value(state))
    seen = [edge for edge, own in gains.items() if len(own) > 100]
    assert len(seen) > 6
    for state, segment in seen:
        siblings = children if state == () else 2
        gain = policy.value((*state, *segment)) - policy.value(state)
        assert_mean(gains[state, segment], (1 - 1 / siblings) * gain)


def assert_mean(found: list[float], expected: float) -> None:
    mean = fmean(found)
    error = sqrt(fmean((one - mean) ** 2 for one in found) / len(found))
    assert abs(mean - expected) < 4 * error + 1e-9


def test_states_that_nodes_share_are_one_request_and_their_rollouts_differ():
    policy = Tabular(PLAIN, chances=lambda prefix: [0.0, 1.0, 0.0] if len(prefix) < 3 else [0.2, 0.4, 0.4])
    environment = policy.environment()
    made = SpoTreeAssigner(environment, branching=[3], segment_tokens=2, scale=False, sampling=PLAIN)
    group = policy.trajectories(3, seed=0)
    credits = made(group, seed=0)
    (request,) = environment.engine.requests  # pyright: ignore[reportAttributeAccessIssue]
    assert (request.prefix, request.count) == ((*PROMPT, 1, 1), 6)
    distinct = {id(r) for credit in credits for v in credit.values for r in v.rollouts}
    assert len(distinct) == 6


def test_every_rollout_is_held_once_so_that_it_can_be_counted():
    policy = Tabular(PLAIN)
    environment = policy.environment()
    made = SpoTreeAssigner(environment, branching=[3, 3], segment_tokens=2, scale=False, sampling=PLAIN)
    credits = made(policy.trajectories(4, seed=2), seed=0)
    held = [id(r) for credit in credits for v in credit.values for r in v.rollouts]
    requests = environment.engine.requests  # pyright: ignore[reportAttributeAccessIssue]
    assert len(held) == len(set(held)) == sum(request.count for request in requests)


def test_only_tokens_with_a_choice_learn():
    policy = Tabular(PLAIN)
    group = policy.trajectories(3, seed=4)
    for own, credit in zip(group, assigner(policy, 2, mask_above=0.55)(group, seed=0), strict=True):
        assert credit.mask == tuple(exp(logprob) < 0.55 for logprob in own.trajectory.logprobs)
        for branch in credit.branches:
            assert branch.mask == tuple(exp(logprob) < 0.55 for logprob in branch.completion.logprobs)


def test_what_the_learner_follows_is_of_the_tokens_that_were_sampled():
    # As many scores as there are tokens: each edge's tokens stand after what came before them.
    policy = Tabular(PLAIN)
    group = policy.trajectories(3, seed=4)
    credits = assigner(policy, 2, 2)(group, seed=0)
    assert all(policy.law(PROMPT + prefix) for prefix in gradient_of(policy, group, credits))


# --- the control arm ---------------------------------------------------------------------------------------------


@given(st.integers(0, 100))
def test_edges_swap_what_they_have(seed: int):
    own, _ = edges(small_tree(*TWICE), scale=False)
    credit = tree_credit(ONE, 1 / 3, own)
    credit = replace(credit, advantages=(0.1, 0.1, 0.2, 0.2))
    dealt = deal_edges(credit, ONE, random.Random(seed))
    assert dealt.advantages[0] == dealt.advantages[1]
    assert all(len(set(branch.advantages)) == 1 for branch in dealt.branches)
    assert sorted(pieces(dealt)) == sorted(pieces(credit))


def pieces(credit: Credit) -> list[float]:
    return [credit.advantages[0], credit.advantages[2], *(branch.advantages[0] for branch in credit.branches)]


def test_the_setting_deals_them():
    policy = Tabular(PLAIN)
    group: list[Scored] = policy.trajectories(4, seed=4)
    assert group[0].trajectory.question == QUESTION
    plain = assigner(policy, 3, 2)
    dealt = SpoTreeCredit().shuffled(plain)
    first, again, before = dealt(group, seed=1), dealt(group, seed=1), plain(group, seed=1)
    assert first == again != before
    assert [credit.values for credit in first] == [credit.values for credit in before]


# --- as a source of values ---------------------------------------------------------------------------------------


def test_it_is_a_source_with_the_runs_own_settings():
    config = load_config(None, ["credit={name: spo_tree, branching: [3]}"])
    assert parse_word(config, "spo_tree").credit == config.credit
    assert parse_word(load_config(None, []), "spo_tree").credit == SpoTreeCredit()


def test_it_has_a_value_wherever_a_step_begins():
    policy = Tabular(PLAIN)
    group = policy.trajectories(4, seed=4, step=1)
    for own, credit in zip(group, assigner(policy, 2, tokens=3)(group, seed=0), strict=True):
        between = [value_at(credit, at, source="spo_tree") for at in own.bounds]
        assert all(state.value == between[0].value for state in between[1:3] if state.position < own.bounds[-1])
