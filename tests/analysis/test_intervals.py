"""Intervals against published numbers, and what must hold of any."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.analysis.intervals import advantage_interval, change_interval, value_interval, wilson
from vineppo.types import Completion, Finish, Rollout, StateValue


def state(rewards: list[float], *, value: float | None = None, error: float | None = None) -> StateValue:
    completion = Completion(token_ids=(1,), logprobs=(0.0,), finish=Finish.TERMINATED, policy_version=0)
    rollouts = tuple(Rollout(completion=completion, text="", reward=reward) for reward in rewards)
    mean = sum(rewards) / len(rewards) if rewards else 0.0
    return StateValue(position=0, value=mean if value is None else value, standard_error=error, rollouts=rollouts)


@pytest.mark.parametrize(
    ("successes", "trials", "interval"),
    # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)), (1, 29, (0.0061, 0.1718))],
)
def test_wilson_is_the_published_interval(successes: int, trials: int, interval: tuple[float, float]):
    assert wilson(successes, trials) == pytest.approx(interval, abs=5e-5)


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
def test_a_change_has_the_published_interval(first, second, interval):
    after, before = first[0] / first[1], second[0] / second[1]
    got = change_interval(before, wilson(*second), after, wilson(*first))
    assert got == pytest.approx(interval, abs=5e-5)


def test_rollouts_that_all_agree_do_not_make_a_value_certain():
    low, high = value_interval(state([1.0] * 4, error=0.0)) or (1.0, 1.0)
    assert low < 0.6
    assert high == 1.0


def test_rewards_that_are_no_successes_have_a_normal_interval():
    assert value_interval(state([0.5, 0.7], error=0.1)) == pytest.approx((0.404, 0.796), abs=1e-4)


def test_a_value_that_is_not_the_share_of_its_rollouts_has_a_normal_interval():
    assert value_interval(state([1.0, 0.0], value=0.9, error=0.05)) == pytest.approx((0.802, 0.998), abs=1e-4)


def test_the_end_is_known_exactly_and_a_guess_not_at_all():
    assert value_interval(state([], value=1.0, error=0.0)) == (1.0, 1.0)
    assert value_interval(state([], value=1.0, error=None)) is None


def test_a_method_with_its_own_error_is_believed():
    # All rollouts agree with the value, but the method knows more than their share.
    assert value_interval(state([1.0, 1.0], error=0.05)) == pytest.approx((0.902, 1.098), abs=1e-4)


def test_the_interval_of_an_advantage_is_the_methods_own_unless_successes_were_counted():
    counted, exact = state([1.0, 0.0], error=0.5), state([], value=1.0, error=0.0)
    weighed = state([1.0, 0.0], value=0.9, error=0.05)
    assert advantage_interval(weighed, exact, 0.1) == pytest.approx((-0.096, 0.296), abs=1e-4)
    assert advantage_interval(counted, exact, 0.1) == advantage_interval(counted, exact, None)
    low, high = advantage_interval(weighed, exact, None) or (0.0, 0.0)
    assert (low, high) == pytest.approx((0.1 - 0.098, 0.1 + 0.098), abs=1e-4)
    assert advantage_interval(state([], value=1.0, error=None), exact, None) is None


@given(st.integers(1, 300).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_wilson_holds_the_share_and_mirrors(case: tuple[int, int]):
    successes, trials = case
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    assert (1 - high, 1 - low) == pytest.approx(wilson(trials - successes, trials), abs=1e-9)


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50))
def test_a_change_lies_in_its_interval_and_turns_with_its_sign(trials: int, first: int, second: int):
    first, second = min(first, trials), min(second, trials)
    a, b = first / trials, second / trials
    low, high = change_interval(a, wilson(first, trials), b, wilson(second, trials))
    assert -1 <= low <= b - a <= high <= 1
    assert change_interval(b, wilson(second, trials), a, wilson(first, trials)) == pytest.approx((-high, -low))
