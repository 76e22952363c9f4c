"""Gradients by the learner's own loss, their inner products, and what these say of noise."""

from dataclasses import astuple, replace
from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tiny_models import tiny_model
from vineppo.analysis import gradients as gradients_module
from vineppo.analysis.gradient_study import equal_groups
from vineppo.analysis.gradient_variance import (
    Priced,
    Products,
    Sums,
    batch_cosine,
    gradient_score,
    jackknife_error,
    noise_ratio,
    signal_of,
    variance_of_mean,
)
from vineppo.analysis.gradients import PolicyGradients, Sketch
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.passes import Passes
from vineppo.types import Branch, Completion, Credit, Finish, Judgement, Outcome, Question, Scored, Trajectory

RNG = np.random.default_rng(0)


def credited(response: tuple[int, ...], advantages: tuple[float, ...], mask=None) -> tuple[Scored, Credit]:
    trajectory = Trajectory(
        question=Question(id="q", prompt="?", answer=""),
        prompt_ids=(3, 4, 5),
        response_ids=response,
        logprobs=(0.0,) * len(response),
        text="",
        finish=Finish.TERMINATED,
        policy_version=0,
    )
    scored = Scored(
        trajectory=trajectory, judgement=Judgement(reward=1.0, outcome=Outcome.SCORED), bounds=(0, len(response))
    )
    return scored, Credit(advantages=advantages, mask=mask)


def policy(temperature: float = 0.7) -> TokenLogprobs:
    return TokenLogprobs(tiny_model("llama"), temperature=temperature, chunk=3).eval()


GROUP = [credited((6, 7, 8, 1), (0.5, -1.0, 0.25, 2.0)), credited((9, 1), (-0.5, 1.5))]


def test_the_gradient_is_that_of_the_log_probs_weighted_by_the_advantages():
    model = tiny_model("llama")
    loss = torch.zeros(())
    for scored, credit in GROUP:
        own = scored.trajectory
        ids = torch.tensor([own.prompt_ids + own.response_ids])
        law = (model(input_ids=ids).logits[0, len(own.prompt_ids) - 1 : -1] / 0.7).log_softmax(-1)
        for place, (token, advantage) in enumerate(zip(own.response_ids, credit.advantages, strict=True)):
            loss = loss + advantage * law[place, token] / 2
    loss.backward()
    expected = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    for micro_batch in (1, 2):
        found = PolicyGradients(policy(), passes=Passes(rows=micro_batch)).of(GROUP)
        assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_tokens_that_do_not_learn_have_no_part():
    masked = [credited((6, 7, 8, 1), (0.5, -1.0, 0.25, 2.0), (True, False, False, True))]
    zeroed = [credited((6, 7, 8, 1), (0.5, 0.0, 0.0, 2.0))]
    gradients = PolicyGradients(policy(), passes=Passes(rows=2))
    assert torch.equal(gradients.of(masked), gradients.of(zeroed))


def test_a_branch_counts_like_a_trajectory_that_began_where_it_left():
    scored, credit = credited((6, 7, 8, 1), (0.0, 0.0, 0.0, 0.0))
    completion = Completion(token_ids=(9, 1), logprobs=(-1.0, -1.0), finish=Finish.TERMINATED, policy_version=0)
    branch = Branch(position=2, completion=completion, advantages=(2.0, 0.5))
    with_branch = [(scored, replace(credit, branches=(branch,)))]
    alone = [credited((6, 7, 9, 1), (0.0, 0.0, 2.0, 0.5))]
    gradients = PolicyGradients(policy(), passes=Passes(rows=2))
    torch.testing.assert_close(gradients.of(with_branch), gradients.of(alone), atol=1e-5, rtol=1e-5)


def test_noise_for_its_price_by_hand():
    reference = np.array([2.0, 0.0])
    rows = np.array([[2.0, 1.0], [2.0, -1.0], [2.0, 1.0], [2.0, -1.0]])
    own = Priced(products=products_of(rows, reference), tokens=500.0, is_unbiased=True)
    # Variance of a question's gradient: 4 / 3. Signal 4. A thousand tokens are two questions.
    assert own.noise(4.0) == pytest.approx(4 / 3 / 4 / 2)
    dearer = replace(own, tokens=1500.0)
    assert noise_ratio(dearer, own, None) == pytest.approx((3, 3, 3))
    assert noise_ratio(own, own, None) == (1, 1, 1)
    silent = replace(own, products=products_of(0 * rows, reference))
    assert noise_ratio(silent, silent, None) is None, "0 over 0 is not 1"
    assert noise_ratio(own, silent, None) is None


def test_a_biased_source_has_the_signal_of_its_projection():
    reference = np.array([2.0, 0.0])
    rows = np.array([[2.0, 1.0], [2.0, -1.0], [2.0, 1.0], [2.0, -1.0]])
    plain = Priced(products=products_of(rows, reference), tokens=500.0, is_unbiased=True)
    scaled = Priced(products=products_of(5 * rows, reference), tokens=500.0, is_unbiased=False)
    assert noise_ratio(scaled, plain, None) is None
    assert noise_ratio(scaled, plain, 4.0) == pytest.approx((1, 1, 1))


@given(st.integers(0, 50))
def test_the_interval_of_a_ratio_covers_it(seed: int):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(40, 200))
    one, other = (
        Priced(
            products=products_of(factor * rows + rng.normal(size=rows.shape), np.ones(200)),
            tokens=1.0,
            is_unbiased=True,
        )
        for factor in (3.0, 0.0)
    )
    found = noise_ratio(one, other, None)
    assert found is not None
    assert found[1] < found[0] < found[2]
    assert found[0] == pytest.approx(10, rel=0.25)


def test_nothing_is_left_behind_in_the_policy():
    own = policy()
    PolicyGradients(own, passes=Passes(rows=2)).of(GROUP)
    assert all(parameter.grad is None for parameter in own.parameters())


def test_the_mean_and_its_variance_are_those_of_the_groups():
    gradients = PolicyGradients(policy(), passes=Passes(rows=4))
    groups = [[GROUP[0]], [GROUP[1]], [credited((10, 11, 1), (1.0, 1.0, -1.0))]]
    rows = torch.stack([gradients.of(group) for group in groups])
    found = gradients.mean(groups)
    assert torch.allclose(found.vector, rows.mean(0), atol=1e-6)
    assert found.variance == pytest.approx(float(rows.var(0).sum() / 3), rel=1e-4)


def test_inner_products_are_those_of_the_groups_gradients():
    gradients = PolicyGradients(policy(), passes=Passes(rows=4))
    groups = [[GROUP[0]], [GROUP[1]], GROUP]
    reference = gradients.of(GROUP)
    rows = torch.stack([gradients.of(group) for group in groups])
    steps: list[tuple[int, int]] = []
    found = gradients.products(groups, reference, progress=lambda done, total: steps.append((done, total)))
    assert_equal(found, products_of(rows.numpy(), reference.numpy()), rtol=1e-4)
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_where_gradients_do_not_fit_into_memory_only_the_errors_are_approximate(monkeypatch: pytest.MonkeyPatch):
    gradients = PolicyGradients(policy(), passes=Passes(rows=4))
    groups = [[GROUP[0]], [GROUP[1]], GROUP]
    reference = gradients.of(GROUP)
    exact = gradients.products(groups, reference)
    monkeypatch.setattr(gradients_module, "MEMORY", 4 * len(groups) * 512)
    assert gradients.size > 3 * 512
    found = gradients.products(groups, reference)
    assert not np.array_equal(found.with_sum, exact.with_sum)
    bound = 5 * sqrt(2 / 512) * np.sqrt(exact.squares * exact.square)
    assert (np.abs(found.with_sum - exact.with_sum) < bound).all()
    assert_equal(replace(found, with_sum=exact.with_sum), exact, rtol=1e-5)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 100))
def test_a_sketch_is_linear_and_no_longer_than_what_is_kept(size: int, kept: int, seed: int):
    sketch = Sketch(size, kept=kept, device=torch.device("cpu"))
    one, other = torch.randn(2, size, generator=torch.Generator().manual_seed(seed))
    assert len(sketch.of(one)) == min(size, kept)
    torch.testing.assert_close(sketch.of(one) + 2 * sketch.of(other), sketch.of(one + 2 * other))


def test_the_inner_products_of_sketches_have_no_bias_and_the_error_that_is_promised():
    one, other = torch.randn(2, 5000, generator=torch.Generator().manual_seed(1))
    other += 0.5 * one
    found = []
    for start in range(0, 400, 4):  # other components meet other signs
        sketch = Sketch(5000, kept=50, device=torch.device("cpu"))
        turned = [torch.roll(vector, 11 * start) for vector in (one, other)]
        found.append(float(sketch.of(turned[0]) @ sketch.of(turned[1])))
    error = sqrt(float((one @ one) * (other @ other) + (one @ other) ** 2) / 50)
    assert np.std(found) == pytest.approx(error, rel=0.3)
    assert np.mean(found) == pytest.approx(float(one @ other), abs=4 * error / sqrt(len(found)))


# --- numbers -----------------------------------------------------------------------------------------------------


def products_of(rows: np.ndarray, reference: np.ndarray) -> Products:
    total = rows.sum(axis=0)
    return Products(
        squares=(rows**2).sum(axis=1),
        with_sum=rows @ total,
        along=rows @ reference,
        square=float(total @ total),
        reference=float(reference @ reference),
    )


def sums_of(rows: np.ndarray, reference: np.ndarray) -> Sums:
    return products_of(rows, reference).sums


def assert_equal(found: Products, expected: Products, *, rtol: float):
    for name in ("squares", "with_sum", "along", "square", "reference"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=rtol, err_msg=name)


@given(st.integers(0, 100))
def test_what_is_left_without_a_question_is_what_the_others_come_to(seed: int):
    rng = np.random.default_rng(seed)
    rows, reference = rng.normal(size=(6, 4)), rng.normal(size=4)
    for left, found in enumerate(products_of(rows, reference).without_each()):
        expected = sums_of(np.delete(rows, left, axis=0), reference)
        assert astuple(found) == pytest.approx(astuple(expected))


def test_noise_is_what_bootstrap_resamples_of_the_questions_show():
    rows = RNG.normal(size=(40, 6)) + 3
    means = rows[RNG.integers(40, size=(20_000, 40))].mean(axis=1)
    resampled = float(means.var(axis=0).sum()) * 40 / 39
    assert variance_of_mean(sums_of(rows, rows[0])) == pytest.approx(resampled, rel=0.03)


def test_equal_gradients_have_no_noise():
    rows = np.tile([1.0, 2.0, -1.0], (8, 1))
    assert variance_of_mean(sums_of(rows, rows[0])) == pytest.approx(0, abs=1e-12)
    assert batch_cosine(sums_of(rows, 5 * rows[0])) == pytest.approx(1)
    assert batch_cosine(sums_of(rows, -rows[0])) == pytest.approx(-1)
    assert batch_cosine(sums_of(0 * rows, rows[0])) is None


def test_noise_over_signal_by_simulation():
    # noise of variance 4 in each of 25 components over 50 questions: 2 in all; the signal's square is 16
    signal = np.zeros(25)
    signal[0] = 4.0
    found = [
        gradient_score(products_of(signal + RNG.normal(scale=2.0, size=(50, 25)), signal), reference_variance=0.0)
        for _ in range(60)
    ]
    relative = [score.relative_variance or 0.0 for score in found]
    assert np.mean(relative) == pytest.approx(2 / 16, rel=0.05)
    # the jackknife knows how much that figure varies
    assert np.mean([score.relative_variance_error or 0.0 for score in found]) == pytest.approx(
        np.std(relative), rel=0.4
    )
    assert np.mean([score.cosine or 0.0 for score in found]) == pytest.approx(1 / sqrt(1 + 2 / 16), abs=0.02)


def test_a_reference_lost_in_its_noise_gives_no_ratio():
    assert signal_of(10.0, 2.0) == 8.0
    assert signal_of(10.0, 6.0) is None
    rows = RNG.normal(size=(5, 4))
    score = gradient_score(products_of(rows, rows[0]), reference_variance=1e9)
    assert (score.relative_variance, score.relative_variance_error) == (None, None)


def test_jackknife_of_a_mean_is_its_standard_error():
    values = RNG.normal(size=30)

    def mean(sums: Sums) -> float:
        return sums.along / sums.count

    products = products_of(values[:, None], np.array([1.0]))
    assert jackknife_error(mean, products) == pytest.approx(float(np.std(values, ddof=1) / sqrt(30)))


def test_the_large_sample_is_cut_into_equal_groups():
    questions = [[GROUP[0]], [GROUP[1]]] * 65
    groups = equal_groups(questions)
    assert {len(group) for group in groups} == {2}
    assert len(groups) == 65
    assert len(equal_groups(questions[:3])) == 3
