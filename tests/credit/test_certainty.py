"""The variance of a mean: by hand, beside Jeffreys' posterior, and on average over coins."""

from math import comb
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.credit.certainty import mean_variance, reward_range


def test_by_hand():
    assert mean_variance([0.0, 1.0], spread=1.0) == pytest.approx(0.25)  # 1/2 over 2
    assert mean_variance([1.0, 1.0, 1.0], spread=1.0) == pytest.approx(0.5 / 20)
    assert mean_variance([4.0], spread=2.0) == pytest.approx(2.0 / 6)
    assert mean_variance([1.0], spread=1.0, alike=0.2) == pytest.approx(0.2)
    assert mean_variance([], spread=1.0) == 0.25


@pytest.mark.parametrize("count", [1, 2, 5, 20, 100])
def test_where_all_agree_it_is_near_jeffreys_posterior_and_not_below_it(count: int):
    a, b = count + 0.5, 0.5
    posterior = a * b / ((a + b) ** 2 * (a + b + 1))
    assert posterior <= mean_variance([1.0] * count, spread=1.0) <= posterior * (count + 1) / (count + 0.5) + 1e-12


@pytest.mark.parametrize("chance", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("count", [2, 9])
def test_on_average_over_coins_it_is_not_below_the_truth(chance: float, count: int):
    weights = [comb(count, k) * chance**k * (1 - chance) ** (count - k) for k in range(count + 1)]
    reported = [mean_variance([1.0] * k + [0.0] * (count - k), spread=1.0) for k in range(count + 1)]
    real = chance * (1 - chance) / count
    assert real <= sum(w * v for w, v in zip(weights, reported, strict=True)) <= 1.7 * real + 0.01


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=12), st.floats(0.1, 5), st.floats(-2, 2))
def test_it_scales_with_rewards_and_does_not_move_with_them(rewards: list[float], scale: float, shift: float):
    spread = 6.0
    moved = [scale * reward + shift for reward in rewards]
    expected = scale**2 * mean_variance(rewards, spread=spread)
    assert mean_variance(moved, spread=scale * spread) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_rewards_lie_between_those_seen_and_0_or_are_shares():
    assert reward_range([0.2, 0.9]) == reward_range([1.0]) == reward_range([]) == 1.0
    assert reward_range([5.0, 5.0]) == 5.0
    assert reward_range([-1.0, 1.0]) == 2.0
    assert reward_range([-1.0]) == 1.0


def test_few_rewards_are_believed_less_than_many():
    means = [fmean([1.0] * n) for n in (1, 10)]
    few, many = (mean_variance([1.0] * n, spread=1.0) for n in (1, 10))
    assert means == [1.0, 1.0]
    assert few > 20 * many
