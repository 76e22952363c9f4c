"""GRPO and RLOO by hand and by identity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.credit.group import GroupAssigner, grpo, rloo
from vineppo.types import Finish, Judgement, Outcome, Question, Scored, Trajectory

GROUPS = st.lists(st.floats(0, 1), min_size=2, max_size=16)


def test_grpo_by_hand():
    # mean 0.25, sample standard deviation 0.5
    assert grpo([1, 0, 0, 0]) == pytest.approx([1.5, -0.5, -0.5, -0.5], rel=1e-3)
    assert grpo([1, 0, 0, 0], scale=False) == [0.75, -0.25, -0.25, -0.25]


def test_rloo_by_hand():
    assert rloo([1, 0, 0, 0]) == pytest.approx([1, -1 / 3, -1 / 3, -1 / 3])


@pytest.mark.parametrize("method", [grpo, rloo])
@given(group=GROUPS)
def test_a_groups_advantages_sum_to_zero(method, group: list[float]):
    assert sum(method(group)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("method", [grpo, rloo])
@given(group=GROUPS)
def test_permuting_a_group_permutes_its_advantages(method, group: list[float]):
    assert method(group[::-1]) == pytest.approx(method(group)[::-1], abs=1e-6)


@given(GROUPS)
def test_rloo_is_grpo_unscaled_times_g_over_g_minus_one(group: list[float]):
    size = len(group)
    assert rloo(group) == pytest.approx([a * size / (size - 1) for a in grpo(group, scale=False)], abs=1e-9)


@pytest.mark.parametrize("method", [grpo, rloo])
def test_equal_rewards_teach_nothing(method):
    assert method([0.3, 0.3, 0.3]) == pytest.approx([0, 0, 0])


def scored(question: str, reward: float, length: int) -> Scored:
    trajectory = Trajectory(
        question=Question(id=question, prompt="?", answer=""),
        prompt_ids=(1,),
        response_ids=(5,) * length,
        logprobs=(0.0,) * length,
        text="",
        finish=Finish.TERMINATED,
        policy_version=0,
    )
    return Scored(trajectory=trajectory, judgement=Judgement(reward=reward, outcome=Outcome.SCORED), bounds=(0, length))


def test_groups_are_the_trajectories_of_one_question_wherever_they_stand():
    batch = [scored("a", 1, 2), scored("b", 0, 1), scored("a", 0, 3), scored("b", 0, 2)]
    credits = GroupAssigner(rloo)(batch, seed=0)
    assert [credit.advantages for credit in credits] == [(1, 1), (0,), (-1, -1, -1), (0, 0)]
    assert all(credit.values == () for credit in credits)
