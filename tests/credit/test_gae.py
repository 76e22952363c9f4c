"""GAE by hand and by identity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.credit.gae import gae, gae_credit
from vineppo.types import Finish, Judgement, Outcome, Question, Scored, Trajectory

VALUES = st.lists(st.floats(-3, 3), min_size=1, max_size=20)


def test_by_hand():
    # deltas: 0.5 - 0.25, 0.75 - 0.5, 1 - 0.75; lambda one half, backwards
    assert gae([0.25, 0.5, 0.75], 1.0, 0.5) == pytest.approx([0.4375, 0.375, 0.25])


@given(VALUES, st.floats(-1, 1))
def test_lambda_one_is_the_reward_minus_the_value(values: list[float], reward: float):
    assert gae(values, reward, 1.0) == pytest.approx([reward - value for value in values], abs=1e-9)


@given(VALUES, st.floats(-1, 1))
def test_lambda_zero_telescopes(values: list[float], reward: float):
    assert sum(gae(values, reward, 0.0)) == pytest.approx(reward - values[0], abs=1e-9)


def test_a_perfect_critic_leaves_nothing_to_credit():
    assert gae([1.0, 1.0, 1.0], 1.0, 0.7) == [0, 0, 0]


def test_credit_keeps_targets_and_the_values_at_step_boundaries():
    trajectory = Trajectory(
        question=Question(id="q", prompt="?", answer=""),
        prompt_ids=(1,),
        response_ids=(5, 6, 7),
        logprobs=(0.0,) * 3,
        text="",
        finish=Finish.TERMINATED,
        policy_version=0,
    )
    judgement = Judgement(reward=1.0, outcome=Outcome.CORRECT)
    credit = gae_credit(Scored(trajectory=trajectory, judgement=judgement, bounds=(0, 2, 3)), [0.2, 0.3, 0.6], 1.0)
    assert [(value.position, value.value) for value in credit.values] == [(0, 0.2), (2, 0.6), (3, 1.0)]
    assert credit.advantages == pytest.approx((0.8, 0.7, 0.4))
    assert credit.returns == pytest.approx((1.0, 1.0, 1.0))
