"""The sampling law and the draws, against hand-worked numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vineppo.engines.torch.law import BLOCK, counter_uniforms, draw, sampling_logprobs
from vineppo.types import Sampling

PROBABILITIES = torch.tensor([[0.5, 0.3, 0.15, 0.05]])
LOGITS = PROBABILITIES.log() + 3.0  # a shift changes nothing


def law(**settings: float) -> list[float]:
    return sampling_logprobs(LOGITS, Sampling(**settings))[0].exp().tolist()  # pyright: ignore[reportArgumentType]


def test_temperature_one_is_the_softmax():
    assert law() == pytest.approx([0.5, 0.3, 0.15, 0.05])


def test_half_the_temperature_squares_the_odds():
    total = 0.25 + 0.09 + 0.0225 + 0.0025
    assert law(temperature=0.5) == pytest.approx([0.25 / total, 0.09 / total, 0.0225 / total, 0.0025 / total])


def test_top_k_keeps_the_likeliest():
    assert law(top_k=2) == pytest.approx([0.625, 0.375, 0, 0])


def test_top_p_keeps_the_smallest_set_that_reaches_it():
    assert law(top_p=0.75) == pytest.approx([0.625, 0.375, 0, 0])
    assert law(top_p=0.85) == pytest.approx([0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0])
    assert law(top_p=0.01) == pytest.approx([1, 0, 0, 0])


def test_temperature_zero_is_greedy():
    assert law(temperature=0) == [1, 0, 0, 0]


def test_forbidden_tokens_are_removed_and_the_rest_renormalised():
    rows = sampling_logprobs(LOGITS.repeat(3, 1), Sampling(), torch.tensor([[0, 0], [2, 1], [2, 3]])).exp()
    assert rows[0].tolist() == pytest.approx([0, 0.6, 0.3, 0.1])
    assert rows[1].tolist() == pytest.approx([0.5, 0.3, 0.15, 0.05])
    assert rows[2].tolist() == pytest.approx([0.5 / 0.65, 0, 0.15 / 0.65, 0])


def test_forbidding_is_applied_to_the_truncated_law_not_before_it():
    after = sampling_logprobs(LOGITS, Sampling(top_p=0.75), torch.tensor([[0, 0]])).exp()[0].tolist()
    assert after == pytest.approx([0, 1, 0, 0])


@pytest.mark.parametrize("settings", [{"top_k": 1}, {"top_p": 0.4}, {"temperature": 0}])
def test_forbidding_all_that_a_truncated_law_leaves_gives_the_likeliest_other_token(settings: dict[str, float]):
    rows = sampling_logprobs(LOGITS.repeat(2, 1), Sampling(**settings), torch.tensor([[0, 0]])).exp()  # pyright: ignore
    assert rows.tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]


@given(st.floats(0, 1, exclude_max=True))
def test_draw_inverts_the_cumulative_law(uniform: float):
    token = int(draw(PROBABILITIES.log(), torch.tensor([uniform], dtype=torch.float64)))
    cumulative = [0, 0.5, 0.8, 0.95, 1.0]
    assert cumulative[token] - 1e-6 <= uniform <= cumulative[token + 1] + 1e-6


LARGE = 3 * BLOCK + 40


@given(st.integers(0, 2**32), st.floats(0, 1, exclude_max=True), st.floats(0.1, 30))
def test_a_large_vocabulary_is_drawn_from_as_a_small_one(seed: int, uniform: float, spread: float):
    logits = spread * torch.randn(1, LARGE, generator=torch.Generator().manual_seed(seed))
    masses = logits.log_softmax(-1).double().exp()[0]
    token = int(draw(logits.log_softmax(-1), torch.tensor([uniform], dtype=torch.float64)))
    after = masses.cumsum(0)[token].item()
    assert after - masses[token].item() - 1e-6 <= uniform * masses.sum().item() <= after + 1e-6


def test_every_token_of_a_large_vocabulary_is_drawn_as_often_as_it_should_be():
    """Evenly spaced numbers fall on tokens in proportion to their masses."""
    logprobs = (3 * torch.randn(1, LARGE, generator=torch.Generator().manual_seed(1))).log_softmax(-1)
    count = 400_000
    uniforms = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    tokens = torch.cat([draw(logprobs.expand(len(part), -1), part) for part in uniforms.split(20_000)])
    found = tokens.bincount(minlength=LARGE)
    assert (found - count * logprobs[0].double().exp()).abs().max() < 1.1
    assert bool((tokens.diff() >= 0).all())


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-53])
@pytest.mark.parametrize("only", [0, BLOCK - 1, BLOCK, 3 * BLOCK - 1, 3 * BLOCK, LARGE - 1])
def test_an_impossible_token_of_a_large_vocabulary_is_never_drawn(only: int, uniform: float):
    logprobs = torch.full((1, LARGE), -torch.inf)
    logprobs[0, only] = 0.0
    assert int(draw(logprobs, torch.tensor([uniform], dtype=torch.float64))) == only


@pytest.mark.parametrize("size", [2 * BLOCK, LARGE - 40])
def test_a_vocabulary_may_be_whole_blocks(size: int):
    logprobs = torch.zeros(2, size).log_softmax(-1)
    assert draw(logprobs, torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)).tolist() == [0, size - 1]


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-53])
def test_an_impossible_token_is_never_drawn(uniform: float):
    logprobs = torch.tensor([[-torch.inf, 0.0, -torch.inf]])
    assert int(draw(logprobs, torch.tensor([uniform], dtype=torch.float64))) == 1


def test_counter_uniforms_are_uniform_and_depend_on_seed_and_position_alone():
    seeds = np.arange(200_000, dtype=np.uint64)
    sample = counter_uniforms(seeds, np.full(len(seeds), 7))
    counts, _ = np.histogram(sample, bins=20, range=(0, 1))
    expected = len(seeds) / 20
    assert ((counts - expected) ** 2 / expected).sum() < 43.8  # chi-square, 19 degrees of freedom, p = 0.001
    assert counter_uniforms(seeds[5:6], np.array([7])) == sample[5]
    neighbours = counter_uniforms(seeds, np.full(len(seeds), 8))
    assert abs(np.corrcoef(sample, neighbours)[0, 1]) < 0.01
