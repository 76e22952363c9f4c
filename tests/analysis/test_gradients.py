"""Gradients by the learner's own loss, their inner products, and what these say of noise."""

from dataclasses import replace
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
    batch_cosine,
    gradient_score,
    jackknife_error,
    noise_ratio,
    signal_of,
    variance_of_mean,
)
from vineppo.analysis.gradients import PolicyGradients, gram_matrix
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
    own = Priced(gram=gram_of(rows, reference), tokens=500.0, is_unbiased=True)
    # Variance of a question's gradient: 4 / 3. Signal 4. A thousand tokens are two questions.
    assert own.noise(range(4), 4.0) == pytest.approx(4 / 3 / 4 / 2)
    dearer = replace(own, tokens=1500.0)
    assert noise_ratio(dearer, own, None) == pytest.approx((3, 3, 3))
    assert noise_ratio(own, own, None) == (1, 1, 1)
    silent = replace(own, gram=gram_of(0 * rows, reference))
    assert noise_ratio(silent, silent, None) is None, "0 over 0 is not 1"
    assert noise_ratio(own, silent, None) is None


def test_a_biased_source_has_the_signal_of_its_projection():
    reference = np.array([2.0, 0.0])
    rows = np.array([[2.0, 1.0], [2.0, -1.0], [2.0, 1.0], [2.0, -1.0]])
    plain = Priced(gram=gram_of(rows, reference), tokens=500.0, is_unbiased=True)
    scaled = Priced(gram=gram_of(5 * rows, reference), tokens=500.0, is_unbiased=False)
    assert noise_ratio(scaled, plain, None) is None
    assert noise_ratio(scaled, plain, 4.0) == pytest.approx((1, 1, 1))


@given(st.integers(0, 50))
def test_the_interval_of_a_ratio_covers_it(seed: int):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(40, 200))
    one, other = (
        Priced(gram=gram_of(factor * rows + rng.normal(size=rows.shape), np.ones(200)), tokens=1.0, is_unbiased=True)
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


@pytest.mark.parametrize("held", [1, 2, 3, 5, 9])
def test_inner_products_do_not_depend_on_how_many_fit_into_memory(held: int):
    rows = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    asked: list[int] = []

    def vector(index: int) -> torch.Tensor:
        asked.append(index)
        return rows[index]

    last = torch.arange(7.0)
    gram = gram_matrix(vector, 5, last, held=held)
    every = torch.cat([rows, last[None]])
    assert np.allclose(gram, (every @ every.T).numpy(), atol=1e-5)
    assert len(asked) == {1: 15, 2: 9, 3: 7, 5: 5, 9: 5}[held]


def test_memory_is_bounded_by_blocks(monkeypatch: pytest.MonkeyPatch):
    gradients = PolicyGradients(policy(), passes=Passes(rows=4))
    groups = [[GROUP[0]], [GROUP[1]], GROUP]
    reference = gradients.of(GROUP)
    at_once = gradients.inner_products(groups, reference)
    monkeypatch.setattr(gradients_module, "MEMORY", 4 * gradients.size)
    assert np.allclose(gradients.inner_products(groups, reference), at_once, rtol=1e-5)


# --- numbers -----------------------------------------------------------------------------------------------------


def gram_of(rows: np.ndarray, reference: np.ndarray) -> np.ndarray:
    every = np.concatenate([rows, reference[None]])
    return every @ every.T


def test_noise_is_what_bootstrap_resamples_of_the_questions_show():
    rows = RNG.normal(size=(40, 6)) + 3
    means = rows[RNG.integers(40, size=(20_000, 40))].mean(axis=1)
    resampled = float(means.var(axis=0).sum()) * 40 / 39
    assert variance_of_mean(gram_of(rows, rows[0])) == pytest.approx(resampled, rel=0.03)


def test_equal_gradients_have_no_noise():
    rows = np.tile([1.0, 2.0, -1.0], (8, 1))
    assert variance_of_mean(gram_of(rows, rows[0])) == pytest.approx(0, abs=1e-12)
    assert batch_cosine(gram_of(rows, 5 * rows[0])) == pytest.approx(1)
    assert batch_cosine(gram_of(rows, -rows[0])) == pytest.approx(-1)
    assert batch_cosine(gram_of(0 * rows, rows[0])) == 0


def test_noise_over_signal_by_simulation():
    # noise of variance 4 in each of 25 components over 50 questions: 2 in all; the signal's square is 16
    signal = np.zeros(25)
    signal[0] = 4.0
    found = [
        gradient_score(gram_of(signal + RNG.normal(scale=2.0, size=(50, 25)), signal), reference_variance=0.0)
        for _ in range(60)
    ]
    relative = [score.relative_variance or 0.0 for score in found]
    assert np.mean(relative) == pytest.approx(2 / 16, rel=0.05)
    # the jackknife knows how much that figure varies
    assert np.mean([score.relative_variance_error or 0.0 for score in found]) == pytest.approx(
        np.std(relative), rel=0.4
    )
    assert np.mean([score.cosine for score in found]) == pytest.approx(1 / sqrt(1 + 2 / 16), abs=0.02)


def test_a_reference_lost_in_its_noise_gives_no_ratio():
    assert signal_of(10.0, 2.0) == 8.0
    assert signal_of(10.0, 6.0) is None
    rows = RNG.normal(size=(5, 4))
    score = gradient_score(gram_of(rows, rows[0]), reference_variance=1e9)
    assert (score.relative_variance, score.relative_variance_error) == (None, None)


def test_jackknife_of_a_mean_is_its_standard_error():
    values = RNG.normal(size=30)

    def mean(gram: np.ndarray) -> float:
        return float(gram[:-1, -1].mean())

    gram = gram_of(values[:, None], np.array([1.0]))
    assert jackknife_error(mean, gram) == pytest.approx(float(np.std(values, ddof=1) / sqrt(30)))


def test_the_large_sample_is_cut_into_equal_groups():
    questions = [[GROUP[0]], [GROUP[1]]] * 65
    groups = equal_groups(questions)
    assert {len(group) for group in groups} == {2}
    assert len(groups) == 65
    assert len(equal_groups(questions[:3])) == 3
