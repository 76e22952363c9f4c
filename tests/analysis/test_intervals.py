"""Intervals against published numbers, and what must hold of any."""

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.analysis.intervals import are_shares, change_interval, trials_behind, value_interval, wilson
from vineppo.credit.certainty import mean_variance
from vineppo.types import StateValue


def state(value: float, error: float | None) -> StateValue:
    return StateValue(position=0, value=value, standard_error=error)


def counted(successes: int, trials: int) -> StateValue:
    """With the error from which exactly so many trials are read back."""
    share = successes / trials
    return state(share, sqrt((trials * share * (1 - share) + 0.5) / ((trials + 1) * (trials + 2))))


@pytest.mark.parametrize(
    ("successes", "trials", "interval"),
    # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)), (1, 29, (0.0061, 0.1718))],
)
def test_wilson_is_the_published_interval(successes: int, trials: int, interval: tuple[float, float]):
    assert wilson(successes / trials, trials) == pytest.approx(interval, abs=5e-5)
    own = counted(successes, trials)
    assert value_interval(own.value, own.standard_error, shares=True) == pytest.approx(interval, abs=5e-5)


@pytest.mark.parametrize(
    ("first", "second", "interval"),
    # Newcombe, "Interval estimation for the difference between independent proportions" (1998), table II, method 10
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ],
)
def test_a_change_of_independent_values_has_the_published_interval(
    first: tuple[int, int], second: tuple[int, int], interval: tuple[float, float]
):
    after, before = counted(*first), counted(*second)
    assert change_interval(before, after, None, shares=True) == pytest.approx(interval, abs=5e-5)


def test_what_two_values_have_in_common_makes_their_change_surer():
    before, after = state(0.5, 0.1), state(0.6, 0.1)
    loose, apart, close, same = (
        change_interval(before, after, error, shares=True) for error in (None, 0.1 * sqrt(2), 0.05, 0.0)
    )
    assert loose == pytest.approx(apart)
    assert close[1] - close[0] == pytest.approx(4 * 0.05, abs=0.02)
    assert same == pytest.approx((0.1, 0.1), abs=0.02)


def test_rollouts_that_all_agree_do_not_make_a_value_certain():
    low, high = value_interval(1.0, sqrt(mean_variance([1.0] * 4, spread=1.0)), shares=True) or (1.0, 1.0)
    assert (low, high) == pytest.approx((0.51, 1.0), abs=0.01)


def test_a_value_that_may_be_anything_has_an_interval_of_everything():
    assert value_interval(1.0, 0.6, shares=True) == (0.0, 1.0)


def test_an_estimate_beyond_what_values_can_be_has_an_interval_of_what_they_can():
    low, high = value_interval(1.08, 0.1, shares=True) or (0.0, 0.0)
    assert 0.5 < low < high == 1.0


def test_rewards_that_are_no_shares_have_a_normal_interval():
    assert value_interval(5.0, 0.1, shares=False) == pytest.approx((4.804, 5.196), abs=1e-3)
    low, high = change_interval(state(3, 0.1), state(5, 0.2), None, shares=False)
    assert (low, high) == pytest.approx((2 - 1.96 * sqrt(0.05), 2 + 1.96 * sqrt(0.05)), abs=1e-3)


def test_the_end_is_known_exactly_and_a_guess_not_at_all():
    assert value_interval(1.0, 0.0, shares=True) == (1.0, 1.0)
    assert value_interval(0.7, None, shares=True) is None
    with pytest.raises(ValueError, match="standard errors"):
        change_interval(state(0.7, None), state(1.0, 0.0), None, shares=True)


def test_shares_are_within_0_and_1():
    assert are_shares([0.0, 0.5, 1.0])
    assert not are_shares([0.0, -1.0])


@given(st.integers(0, 40), st.integers(1, 40))
def test_the_trials_are_read_back(successes: int, trials: int):
    own = counted(min(successes, trials), trials)
    assert own.standard_error is not None
    assert trials_behind(own.value, own.standard_error) == pytest.approx(trials, rel=1e-6)


@given(st.floats(0, 1), st.floats(1e-6, 2))
def test_an_interval_of_a_share_holds_it_and_mirrors(share: float, error: float):
    low, high = value_interval(share, error, shares=True) or (2.0, 2.0)
    assert 0 <= low <= share <= high <= 1
    mirrored = value_interval(1 - share, error, shares=True)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-6)


ERRORS = st.floats(1e-4, 0.6)


@given(st.floats(0, 1), st.floats(0, 1), ERRORS, ERRORS, st.none() | ERRORS)
def test_a_change_lies_in_its_interval_and_turns_with_its_sign(
    a: float, b: float, error_a: float, error_b: float, of_change: float | None
):
    one, other = state(a, error_a), state(b, error_b)
    low, high = change_interval(one, other, of_change, shares=True)
    assert -1 <= low <= b - a + 1e-12
    assert b - a - 1e-12 <= high <= 1
    assert change_interval(other, one, of_change, shares=True) == pytest.approx((-high, -low), abs=1e-9)
