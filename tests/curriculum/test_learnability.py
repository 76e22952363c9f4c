"""What a question can teach, by hand and by property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.curriculum.learnability import learnability, most_learnable_first, success_metrics
from vineppo.metrics import check_names

SHARES = ("success_0", "success_0_25", "success_25_50", "success_50_75", "success_75_100", "success_100")
outcomes = st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=16)


def test_learnability_by_hand():
    assert learnability([1, 0, 0, 0]) == 3 / 16
    assert learnability([1, 0]) == 1 / 4
    assert learnability([2.0, 0.0]) == 1, "rewards that are no successes: their variance"


@given(outcomes)
def test_it_is_nothing_where_all_attempts_end_alike_and_a_quarter_at_most(rewards: list[float]):
    assert (learnability(rewards) == 0) == (len(set(rewards)) == 1)
    assert learnability(rewards) <= 1 / 4
    assert learnability(rewards) == learnability([1 - reward for reward in rewards]), "failing is as good as succeeding"


def test_the_most_learnable_come_first():
    rewards = {"never": [0, 0, 0, 0], "half": [1, 0, 0, 1], "once": [0, 1, 0, 0], "always": [1, 1, 1, 1]}
    order = most_learnable_first(rewards, seed=0)
    assert order[:2] == ["half", "once"]
    assert set(order[2:]) == {"never", "always"}


def test_equals_win_about_equally_often_wherever_they_stand():
    rewards = {str(i): [0.0, 1.0] for i in range(4)}
    winners = [most_learnable_first(rewards, seed=seed)[0] for seed in range(400)]
    assert all(70 <= winners.count(id) <= 130 for id in rewards)  # 100 expected, standard deviation 8.7
    assert most_learnable_first(rewards, seed=1) == most_learnable_first(rewards, seed=1)


def test_success_rates_by_hand():
    rewards = {
        "a": [0, 0, 0, 0],
        "b": [1, 0, 0, 0],  # a quarter: in the second quarter
        "c": [1, 1, 0, 0],
        "d": [1, 1, 1, 0],
        "e": [1, 1, 1, 1],
    }
    metrics = success_metrics(rewards, ["b", "c"])
    assert metrics == {
        "curriculum/candidates": 5,
        "curriculum/success_0": 0.2,
        "curriculum/success_0_25": 0,
        "curriculum/success_25_50": 0.2,
        "curriculum/success_50_75": 0.2,
        "curriculum/success_75_100": 0.2,
        "curriculum/success_100": 0.2,
        "curriculum/teaches_nothing": 0.4,
        "curriculum/learnability": pytest.approx((3 / 16 + 4 / 16) / 2),
    }
    check_names(metrics)


@given(st.lists(outcomes, min_size=1, max_size=20))
def test_every_question_is_in_one_bin(groups: list[list[float]]):
    metrics = success_metrics({str(i): rewards for i, rewards in enumerate(groups)}, [])
    assert sum(metrics[f"curriculum/{name}"] for name in SHARES) == pytest.approx(1)
    ends = metrics["curriculum/success_0"] + metrics["curriculum/success_100"]
    assert metrics["curriculum/teaches_nothing"] == pytest.approx(ends)
    assert "curriculum/learnability" not in metrics, "nobody was chosen"
