"""Errors, bias, explained variance and calibration, by hand and by identity."""

from math import pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vineppo.analysis.bootstrap import bootstrap_interval
from vineppo.analysis.value_accuracy import (
    Comparison,
    accuracy_by_position,
    calibration,
    explained_variance,
    explained_within,
    returns_explained,
    value_score,
)

SHARE = st.floats(0, 1)


def compare(predicted, truth, *, error=None, relative=None, questions=None) -> Comparison:
    n = len(truth)
    return Comparison(
        predicted=np.array(predicted, float),
        truth=np.array(truth, float),
        truth_error=np.zeros(n) if error is None else np.array(error, float),
        relative=np.zeros(n) if relative is None else np.array(relative, float),
        questions=np.array(["q"] * n if questions is None else questions),
    )


def test_error_and_bias_by_hand():
    score = value_score(compare([0.5, 0.25, 1.0], [0.25, 0.5, 0.0], error=[0.0, 0.2, 0.1]))
    assert score is not None
    assert score.mae == pytest.approx(0.5)
    assert score.bias == pytest.approx(1 / 3)
    assert score.mae_floor == pytest.approx(0.1 * sqrt(2 / pi))
    assert score.mae_interval is None, "one question says nothing of others"


def test_no_states_no_score():
    assert value_score(compare([], [])) is None


def test_explained_variance_by_hand():
    # truth 0, 1 (sum of squares around the mean 1/2), errors 0, -1/2 (around their mean 1/8)
    assert explained_variance(compare([0, 0.5], [0, 1])) == pytest.approx(1 - 0.125 / 0.5)


def test_knowing_only_the_question_explains_nothing_within_it():
    truth, questions = [0.1, 0.3, 0.7, 0.9], ["easy", "easy", "hard", "hard"]
    states = compare([0.2, 0.2, 0.8, 0.8], truth, questions=questions)
    # around the mean 1/2: 0.4 in all; what is left is 4 * 0.01
    assert explained_variance(states) == pytest.approx(1 - 0.04 / 0.4)
    assert explained_within(states) == pytest.approx(0)


def test_a_shift_of_a_whole_question_costs_nothing_within_it():
    truth, questions = [0.1, 0.3, 0.7, 0.9], ["easy", "easy", "hard", "hard"]
    assert explained_within(compare([0.3, 0.5, 0.4, 0.6], truth, questions=questions)) == pytest.approx(1)


def test_one_state_a_question_says_nothing_within():
    assert explained_within(compare([0.1, 0.9], [0.2, 0.8], questions=["a", "b"])) is None


def test_what_may_be_the_truths_noise_is_not_explained():
    """Two rollouts of 64 succeeded from one of four states: any error of a source would be hundreds of that."""
    few, questions = 2 / 64, ["a", "a", "b", "b"]
    error = [0, 0, 0, sqrt(few * (1 - few) / 63)]
    source = [0, 0.2, 0, 0.4]
    assert explained_variance(compare(source, [0, 0, 0, few], error=error)) is None
    assert explained_within(compare(source, [0, 0, 0, few], error=error, questions=questions)) is None
    assert explained_within(compare(source, [0, 0.5, 0, few], error=error, questions=questions)) is not None


def test_the_truths_noise_is_taken_out_of_both_variances():
    rng = np.random.default_rng(0)
    value, noise = rng.uniform(size=20_000), rng.normal(scale=0.2, size=20_000)
    measured = compare(value, value + noise, error=np.full(20_000, 0.2))
    assert explained_variance(measured) == pytest.approx(1, abs=0.02)
    half = compare(value / 2, value + noise, error=np.full(20_000, 0.2))
    assert explained_variance(half) == pytest.approx(0.75, abs=0.02)
    # pairs: half of the noise is in each pair's own mean
    pairs = [str(i // 2) for i in range(20_000)]
    twins = np.repeat(value[::2], 2) + np.tile([0.0, 0.4], 10_000)
    within = compare(twins, twins + noise, error=np.full(20_000, 0.2), questions=pairs)
    assert explained_within(within) == pytest.approx(1, abs=0.02)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(SHARE, SHARE), min_size=2, max_size=20), st.floats(-1, 1))
def test_a_constant_shift_changes_the_bias_and_nothing_else(pairs: list[tuple[float, float]], shift: float):
    predicted, truth = (np.array(side) for side in zip(*pairs, strict=True))
    before, after = value_score(compare(predicted, truth)), value_score(compare(predicted + shift, truth))
    assert before is not None
    assert after is not None
    assert after.bias == pytest.approx(before.bias + shift, abs=1e-9)
    if before.explained_variance is not None and np.ptp(truth) > 1e-3:
        assert after.explained_variance == pytest.approx(before.explained_variance, rel=1e-3, abs=1e-3)


def test_what_true_values_explain_of_returns_by_hand():
    # returns vary by 3/4 in all; two sure states are right, a toss is off by 1/4 twice
    returns, truth = np.array([1.0, 0, 1, 1]), np.array([1.0, 0, 0.5, 0.5])
    assert returns_explained(returns, truth, np.zeros(4)) == pytest.approx(1 - 0.5 / 0.75)
    assert returns_explained(np.ones(4), truth, np.zeros(4)) is None, "there is nothing to explain"


def test_what_returns_explain_is_not_changed_by_the_truths_noise():
    rng = np.random.default_rng(0)
    truth = rng.uniform(size=100_000)
    returns = (rng.uniform(size=truth.size) < truth).astype(float)
    noise = np.full(truth.size, 0.3)
    exact = returns_explained(returns, truth, np.zeros(truth.size))
    measured = returns_explained(returns, truth + rng.normal(size=truth.size) * noise, noise)
    # var v = 1/12, var R = 1/4
    assert exact == pytest.approx(1 / 3, abs=0.01)
    assert measured == pytest.approx(1 / 3, abs=0.02)


def test_positions_fall_into_fifths_of_the_response():
    relative = [0.05, 0.19, 0.2, 0.5, 0.99]
    parts = accuracy_by_position(compare([1, 1, 1, 0, 0.5], [0, 0.5, 1, 1, 1], relative=relative))
    assert [(part.low, part.high, part.states) for part in parts] == [
        (0, pytest.approx(0.2), 2),
        (pytest.approx(0.2), pytest.approx(0.4), 1),
        (pytest.approx(0.4), pytest.approx(0.6), 1),
        (pytest.approx(0.8), 1, 1),
    ]
    assert [part.mae for part in parts] == [0.75, 0, 1, 0.5]
    assert [part.bias for part in parts] == [0.75, 0, -1, -0.5]


def test_calibration_by_hand():
    found = calibration(compare([0.0, 0.05, 1.0, 1.4], [0.0, 0.5, 0.5, 0.5]), (0.0, 1.0))
    low, high = found.bins
    assert (low.states, low.predicted, low.truth) == (2, 0.025, 0.25)
    # what a network puts outside the range belongs to the outermost bin, and is not cut
    assert (high.states, high.predicted, high.truth) == (2, 1.2, 0.5)
    assert found.error == pytest.approx((0.225 * 2 + 0.7 * 2) / 4)


def test_intervals_resample_questions_and_not_states():
    values = np.array([0.0] * 50 + [1.0] * 50)

    def mean(chosen: np.ndarray) -> float:
        return float(values[chosen].mean())

    together = bootstrap_interval(mean, ["a"] * 50 + ["b"] * 50)
    apart = bootstrap_interval(mean, [str(i) for i in range(100)])
    assert together is not None
    assert apart is not None
    assert (together.low, together.high) == (0, 1), "two questions, either of which may be drawn twice"
    # a hundred independent coins: half +- 1.96 * 0.05
    assert apart.low == pytest.approx(0.4, abs=0.03)
    assert apart.high == pytest.approx(0.6, abs=0.03)
