"""Runs with numbers that can be worked by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.analysis.reaching import crossing, make_reaches, make_targets
from vineppo.analysis.run_comparison import (
    Experiment,
    Point,
    RunCurve,
    estimate,
    make_experiment,
    read_points,
    shared_axes,
)
from vineppo.errors import UserError


def run(accuracies: list[float], *, name: str = "run", seed: int = 0, price: float = 1.0) -> RunCurve:
    """An evaluation every 10 updates, each update so many tokens."""
    return RunCurve(
        name=name,
        seed=seed,
        points=tuple(
            Point(iteration=i, accuracy=accuracy, at={"updates": 10.0 * i, "tokens": 10.0 * i * price})
            for i, accuracy in enumerate(accuracies)
        ),
    )


def experiment(name: str, *curves: list[float], price: float = 1.0) -> Experiment:
    return make_experiment(name, [run(own, name=f"{name}-{i}", seed=i, price=price) for i, own in enumerate(curves)])


def reaches(*experiments: Experiment) -> dict[tuple[str, str, str], object]:
    found = make_reaches(experiments, shared_axes(experiments))
    return {(reach.experiment, reach.target.name, reach.axis): reach for reach in found}


# --- points ------------------------------------------------------------------------------------------------------


def test_what_evaluation_took_is_not_counted():
    lines = [
        {"iteration": 0, "eval/accuracy": 0.1, "updates": 0, "num_tokens": 0, "time/total": 0, "time/evaluate": 9.0},
        {"iteration": 1, "updates": 4, "num_tokens": 100, "time/total": 5.0, "kl": 0.25},
        {
            "iteration": 2,
            "eval/accuracy": 0.5,
            "updates": 8,
            "num_tokens": 250,
            "tokens/evaluation": 50,
            "time/total": 12.0,
            "time/evaluate": 2.0,
            "kl": 0.5,
        },
        {"iteration": 3, "updates": 12, "num_tokens": 350, "time/total": 17.0, "kl": 0.75, "eval/accuracy": 0.6},
    ]
    first, second, third = read_points(lines)
    assert (first.accuracy, first.at) == (0.1, {"updates": 0, "seconds": 0.0, "tokens": 0.0, "kl": 0.0})
    assert (second.accuracy, second.at) == (0.5, {"updates": 8, "seconds": 10.0, "tokens": 200.0, "kl": 0.5})
    assert third.at == {"updates": 12, "seconds": 15.0, "tokens": 300.0, "kl": 0.75}


def test_a_run_without_kl_has_none_even_at_the_start():
    [point] = read_points([{"iteration": 0, "eval/accuracy": 0.1, "updates": 0}])
    assert point.at == {"updates": 0}


# --- experiments -------------------------------------------------------------------------------------------------


def test_a_mean_curve_is_over_the_evaluations_that_all_seeds_have():
    both = experiment("a", [0.1, 0.3, 0.5], [0.3, 0.5])
    assert [point.iteration for point in both.curve] == [0, 1]
    assert [point.accuracy.mean for point in both.curve] == pytest.approx([0.2, 0.4])
    assert both.curve[1].accuracy.spread == pytest.approx(math.sqrt(0.02))


def test_seeds_without_a_common_evaluation_are_refused():
    late = RunCurve(name="late", seed=1, points=run([0.1, 0.2, 0.3]).points[2:])
    with pytest.raises(UserError, match="runs run, late have one configuration but no evaluation in common"):
        make_experiment("a", [run([0.1, 0.2]), late])


def test_the_peak_is_the_first_of_the_highest_points():
    assert experiment("a", [0.1, 0.5, 0.4, 0.5]).peak.iteration == 1


def test_only_axes_that_everyone_measured_are_shared():
    poor = make_experiment(
        "b", [RunCurve(name="b", seed=0, points=(Point(iteration=0, accuracy=0.1, at={"kl": 0.0}),))]
    )
    assert shared_axes([experiment("a", [0.1])]) == ("updates", "tokens")
    assert shared_axes([experiment("a", [0.1]), poor]) == ()


def test_the_interval_of_two_seeds_is_their_range_and_of_one_there_is_none():
    two = estimate([0.2, 0.6])
    # half of all draws are mixed; a quarter each are twice the same
    assert (two.mean, two.low, two.high) == pytest.approx((0.4, 0.2, 0.6))
    one = estimate([0.2])
    assert (one.spread, one.low, one.high) == (None, None, None)


def test_the_interval_of_many_seeds_is_nearly_the_normal_one():
    values = list(np.random.default_rng(0).normal(size=200))
    got = estimate(values)
    error = np.std(values, ddof=1) / math.sqrt(200)
    assert got.low == pytest.approx(got.mean - 1.96 * error, abs=0.15 * error)
    assert got.high == pytest.approx(got.mean + 1.96 * error, abs=0.15 * error)


# --- reaching ----------------------------------------------------------------------------------------------------


def test_a_target_is_reached_on_the_straight_line_between_evaluations():
    accuracy, cost = np.array([[0.0, 0.2, 0.6]] * 5), np.array([[0.0, 10.0, 20.0]] * 5)
    targets = np.array([0.0, 0.1, 0.2, 0.5, 0.7])
    assert crossing(accuracy, cost, targets).tolist() == pytest.approx([0.0, 5.0, 10.0, 17.5, math.inf])


def test_a_curve_that_falls_again_was_there_nevertheless():
    assert crossing(np.array([[0.0, 0.8, 0.1]]), np.array([[0.0, 10.0, 20.0]]), np.array([0.4])).tolist() == [5.0]


def test_the_targets_are_nine_tenths_of_the_best_and_every_peak():
    targets = make_targets([experiment("low", [0.0, 0.4]), experiment("high", [0.0, 0.8])])
    assert [(target.name, round(target.accuracy, 3)) for target in targets] == [
        ("90 % of the best", 0.72),
        ("peak of high", 0.8),
        ("peak of low", 0.4),
    ]


def test_of_rewards_below_zero_there_are_no_nine_tenths():
    assert [target.name for target in make_targets([experiment("a", [-2.0, -1.0])])] == ["peak of a"]


def test_half_the_cost_is_two_times_less():
    found = reaches(experiment("fast", [0.0, 0.8, 0.8]), experiment("slow", [0.0, 0.4, 0.8]))
    fast, slow = found["fast", "peak of slow", "updates"], found["slow", "peak of slow", "updates"]
    assert (fast.cost.value, fast.times.value, fast.reached) == (10.0, 2.0, 1)
    assert (slow.cost.value, slow.times) == (20.0, None)
    assert found["slow", "peak of fast", "updates"].times.value == 0.5


def test_the_price_of_an_update_shows_in_tokens_alone():
    found = reaches(experiment("dear", [0.0, 0.8], price=3.0), experiment("cheap", [0.0, 0.8]))
    assert found["dear", "peak of cheap", "updates"].times.value == 1.0
    assert found["dear", "peak of cheap", "tokens"].times.value == pytest.approx(1 / 3)


def test_who_never_gets_there_has_no_cost():
    lazy = reaches(experiment("lazy", [0.0, 0.1]), experiment("keen", [0.0, 0.9]))["lazy", "peak of keen", "updates"]
    assert (lazy.cost, lazy.times, lazy.reached, lazy.seeds) == (None, None, 0, 1)


def test_who_starts_there_needs_nothing_and_no_ratio_is_made_of_it():
    found = reaches(experiment("good", [0.9, 0.9]), experiment("bad", [0.1, 0.5]))
    good = found["good", "peak of bad", "updates"]
    assert (good.cost.value, good.times) == (0.0, None)


def test_seeds_that_get_there_are_counted_each():
    found = reaches(experiment("mixed", [0.0, 0.9], [0.0, 0.1]), experiment("other", [0.0, 0.5]))
    assert found["mixed", "peak of other", "updates"].reached == 1
    assert found["mixed", "peak of other", "updates"].seeds == 2


def test_equal_seeds_leave_no_doubt():
    found = reaches(
        experiment("fast", [0.0, 0.8, 0.8], [0.0, 0.8, 0.8]), experiment("slow", [0.0, 0.4, 0.8], [0.0, 0.4, 0.8])
    )
    times = found["fast", "peak of slow", "updates"].times
    assert (times.value, times.low, times.high) == (2.0, 2.0, 2.0)


def test_seeds_that_disagree_make_the_interval_wide():
    found = reaches(
        experiment("a", [0.0, 0.8, 0.8], [0.0, 0.1, 0.2], [0.0, 0.8, 0.8]),
        experiment("b", [0.0, 0.2, 0.4], [0.0, 0.3, 0.6], [0.0, 0.2, 0.5]),
    )
    reach = found["a", "peak of b", "updates"]
    assert reach.cost.low < reach.cost.value < reach.cost.high
    assert reach.cost.high == math.inf, "a draw of the bad seed alone never gets there"
    assert reach.times.low == 0.0


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6), st.floats(0, 1))
def test_a_crossing_is_where_the_curve_is_at_the_target(accuracies: list[float], target: float):
    costs = [float(10 * i) for i in range(len(accuracies))]
    [at] = crossing(np.array([accuracies]), np.array([costs]), np.array([target]))
    if max(accuracies) < target:
        assert at == math.inf
    elif accuracies[0] >= target:
        assert at == 0
    else:
        assert np.interp(at, costs, accuracies) == pytest.approx(target, abs=1e-6)
        assert all(accuracy < target for accuracy, cost in zip(accuracies, costs, strict=True) if cost < at - 1e-6)
