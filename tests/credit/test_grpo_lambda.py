"""GRPO-lambda's advantages: GRPO's, clamped; the trace is the learner's (tests/learner/test_pooling.py)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabular import PLAIN, Tabular

from vineppo.credit.group import GroupAssigner, GrpoCredit, grpo
from vineppo.credit.grpo_lambda import GrpoLambdaCredit, clamped_grpo
from vineppo.credit.settings import CreditParts
from vineppo.settings.learner import Trace


def test_by_hand():
    # mean 0.25, sample standard deviation 0.5
    assert clamped_grpo([1, 0, 0, 0], least=-0.1) == pytest.approx([1.5, -0.1, -0.1, -0.1], rel=1e-3)
    assert clamped_grpo([1, 1, 1, 0], least=-0.1) == pytest.approx([0.5, 0.5, 0.5, -0.1], rel=1e-3)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_unclamped_it_is_grpo(rewards: list[float]):
    assert clamped_grpo(rewards, least=None) == grpo(rewards)


def test_at_lambda_0_all_that_differs_is_a_name():
    policy = Tabular(PLAIN)
    group = policy.trajectories(5, seed=1)
    parts = CreditParts(environment=policy.environment(), sampling=PLAIN)
    ours = GrpoLambdaCredit(trace="recent", trace_lambda=0, least_advantage=None)
    assert (
        ours.build(parts)(group, seed=0)
        == GroupAssigner(grpo)(group, seed=0)
        == GrpoCredit().build(parts)(group, seed=0)
    )
    assert (ours.average, ours.normalise) == (GrpoCredit().average, GrpoCredit().normalise)
    assert ours.ratio == Trace(decay=0)


def test_the_paper_has_the_longer_trace():
    assert GrpoLambdaCredit().ratio == Trace(decay=0.99, since_start=True)
    assert GrpoLambdaCredit(trace="recent").ratio == Trace(decay=0.99)
