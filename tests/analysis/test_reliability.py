"""How many rollouts it takes: by hand, and against simulated measurements."""

import numpy as np
import pytest

from vineppo.analysis.reliability import TrueStep, binomial, order_probability, reliability, sign_agreement
from vineppo.analysis.truth_store import Truth, known_exactly


def truth(successes: int, rollouts: int = 256) -> Truth:
    return Truth(counts=((0, rollouts - successes), (1, successes)), tokens=0)


def step(before: int, after: int) -> TrueStep:
    return TrueStep(before=truth(before), after=truth(after), ends=False)


def last(before: int, reward: float) -> TrueStep:
    return TrueStep(before=truth(before), after=known_exactly(reward), ends=True)


def test_binomial_by_hand():
    assert binomial(2, 0.25) == pytest.approx([0.5625, 0.375, 0.0625])
    assert binomial(3, 0.0) == [1, 0, 0, 0]


def test_order_by_hand():
    # a fair coin against a certain head: better never, equal half of the time
    assert order_probability([0.5, 0.5], [0, 1]) == 0.25
    assert order_probability([0.5, 0.5], [0.5, 0.5]) == 0.5


def test_sign_of_the_last_step_by_hand():
    # value 1/2, then reward 1: one rollout says 0 (right) or 1 (no difference, counted as half)
    assert sign_agreement(last(128, 1.0), 1) == 0.75
    # two rollouts: both right with probability 1/4
    assert sign_agreement(last(128, 1.0), 2) == 0.875
    assert sign_agreement(last(128, 0.0), 2) == 0.875


def test_sign_of_an_inner_step_by_hand():
    # 1/4, then 3/4, one rollout each: right with 9/16, wrong with 1/16, no difference with 6/16
    assert sign_agreement(step(64, 192), 1) == pytest.approx(9 / 16 + 3 / 16)
    assert sign_agreement(step(192, 64), 1) == pytest.approx(9 / 16 + 3 / 16)


@pytest.mark.parametrize("rollouts", [1, 3, 9])
def test_sign_agreement_is_what_simulated_measurements_show(rollouts: int):
    rng = np.random.default_rng(0)
    before, after = (rng.binomial(rollouts, p, size=200_000) for p in (0.75, 0.625))
    right = (after < before).mean() + (after == before).mean() / 2
    assert sign_agreement(step(192, 160), rollouts) == pytest.approx(right, abs=0.004)


def test_rewards_of_many_values_take_the_normal_law():
    rng = np.random.default_rng(1)
    counts = (((0.0, 96), (1.0, 96), (2.0, 64)), ((0.0, 64), (1.0, 96), (2.0, 96)))
    between = TrueStep(before=Truth(counts=counts[0], tokens=0), after=Truth(counts=counts[1], tokens=0), ends=False)
    draws = [rng.choice(3, p=np.array([c for _, c in law]) / 256, size=(50_000, 16)).mean(1) for law in counts]
    right = (draws[1] > draws[0]).mean() + (draws[1] == draws[0]).mean() / 2
    assert sign_agreement(between, 16) == pytest.approx(right, abs=0.01)


def test_signal_noise_and_the_rollouts_needed_by_hand():
    # advantages 1/2 and -1/2, the truth known with 2^20 rollouts; noise 3/16 + 3/16 and 3/16 + 3/16
    many = 2**20
    steps = [
        TrueStep(before=truth(many // 4, many), after=truth(3 * many // 4, many), ends=False),
        TrueStep(before=truth(3 * many // 4, many), after=truth(many // 4, many), ends=False),
    ]
    found = reliability(steps, configured=1)
    assert found.signal == pytest.approx(0.25, abs=1e-5)
    assert found.noise == pytest.approx(0.375, abs=1e-5)
    assert found.rollouts_needed == 2  # 0.375 / 0.25 = 1.5
    assert found.points[0].reliability == pytest.approx(0.25 / 0.625, abs=1e-5)
    assert found.points[0].z == pytest.approx(0.5 / 0.375**0.5, abs=1e-4)
    assert found.warning == (
        "K = 1 is too small here: noise is 1.5 times the signal in a measured advantage; K = 2 makes them equal"
    )


@pytest.mark.parametrize("configured", [None, 2, 9])
def test_no_warning_without_need(configured: int | None):
    assert reliability([step(0, 128), step(128, 256)], configured=configured).warning is None


def test_steps_that_change_nothing_say_so():
    found = reliability([step(128, 130), step(130, 128)], configured=9)
    assert (found.signal, found.rollouts_needed, found.clear_steps) == (None, None, 0)
    assert found.warning is not None
    assert "no number of rollouts" in found.warning
    assert found.points[0].sign_agreement is None


def test_the_truths_own_noise_is_no_signal():
    # many steps that change nothing, measured with 16 rollouts each
    rng = np.random.default_rng(2)
    pairs = rng.binomial(16, 0.5, size=(4000, 2))
    steps = [TrueStep(before=truth(int(a), 16), after=truth(int(b), 16), ends=False) for a, b in pairs]
    raw = np.mean([s.advantage**2 for s in steps])
    found = reliability(steps, configured=None)
    assert raw > 0.025
    assert abs(found.signal or 0.0) < 0.002
