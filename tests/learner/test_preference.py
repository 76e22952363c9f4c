"""Preferences: the gradient over pairs of real sequences, in one piece and in many."""

from dataclasses import replace
from math import log

import pytest
import torch

from tiny_models import tiny_model
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.passes import Passes
from vineppo.learner.preference import Pair, ScoredPairs, accumulate_preference, score_pairs, sequence_logprobs
from vineppo.types import PromptAndResponse


def item(prompt: str, response: str) -> PromptAndResponse:
    """A digit a token."""
    return PromptAndResponse(token_ids=tuple(map(int, prompt + response)), prompt_length=len(prompt))


PAIRS = [
    Pair(chosen=item("23", "45671"), rejected=item("23", "81")),
    Pair(chosen=item("23", "45671"), rejected=item("23", "9991")),
    Pair(chosen=item("7", "61"), rejected=item("7", "2222222")),
    Pair(chosen=item("845", "3"), rejected=item("845", "4")),
]


def policy() -> TokenLogprobs:
    return TokenLogprobs(tiny_model("llama"), temperature=0.8, chunk=1000)


def nudge(scorer: TokenLogprobs) -> None:
    """So that log-ratios are not all 0."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in scorer.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))


def gradients(scorer: TokenLogprobs) -> dict[str, torch.Tensor]:
    return {name: parameter.grad for name, parameter in scorer.named_parameters() if parameter.grad is not None}


def accumulate(scorer: TokenLogprobs, scored: ScoredPairs, **changes: object) -> dict[str, float]:
    settings = {"beta": 0.3, "penalty": 5.0, "passes": Passes(rows=100), **changes}
    return accumulate_preference(scorer, scored, range(len(scored.pairs)), **settings)  # pyright: ignore


def test_a_sequence_is_as_probable_as_all_its_tokens_together():
    scorer, pair = policy(), PAIRS[0]
    with torch.no_grad():
        law = (scorer.model(torch.tensor([pair.chosen.token_ids])).logits[0] / 0.8).log_softmax(-1)
        expected = sum(law[1 + i, int(token)] for i, token in enumerate("45671"))
        both = sequence_logprobs(scorer, [pair.rejected, pair.chosen])
    assert float(both[1]) == pytest.approx(float(expected), rel=1e-4)


def test_before_the_first_update_every_preference_is_a_coin():
    scorer = policy()
    metrics = accumulate(scorer, score_pairs(scorer, PAIRS, passes=Passes(rows=3)), is_reference=True)
    assert metrics["loss/preference"] == pytest.approx(log(2), rel=1e-6)
    assert metrics["rewards/margins"] == metrics["rewards/chosen"] == 0


@pytest.mark.parametrize("rounding", [-1e-4, 1e-4])
def test_rounding_of_the_reference_does_not_decide_the_first_update(rounding: float):
    """Each pair's loss is -log sigmoid(beta (w - l - penalty max(0, -w))): at w = l = 0 its gradient is
    -beta/2 ((1 + penalty) grad w - grad l), whatever the reference's rounding was."""
    scorer = policy()
    scored = score_pairs(scorer, PAIRS, passes=Passes(rows=3))
    metrics = accumulate(scorer, replace(scored, chosen=scored.chosen + rounding), is_reference=True)
    found = gradients(scorer)
    other = policy()
    won, lost = (sequence_logprobs(other, [getattr(pair, side) for pair in PAIRS]) for side in ("chosen", "rejected"))
    (-0.3 / 2 * (6 * won - lost).mean()).backward()
    assert metrics["rewards/penalised"] == 1
    for name, gradient in gradients(other).items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("micro_batch", [1, 2, 3, 4, 7])
def test_the_micro_batch_changes_neither_measurements_nor_gradient(micro_batch: int):
    whole, parts = policy(), policy()
    scored = [
        score_pairs(scorer, PAIRS, passes=Passes(rows=size)) for scorer, size in ((whole, 100), (parts, micro_batch))
    ]
    nudge(whole)
    nudge(parts)
    expected, measured = accumulate(whole, scored[0]), accumulate(parts, scored[1], passes=Passes(rows=micro_batch))
    assert measured == pytest.approx(expected, rel=1e-4, abs=1e-5)
    for name, gradient in gradients(whole).items():
        torch.testing.assert_close(gradients(parts)[name], gradient, rtol=1e-3, atol=1e-5)


def test_a_step_down_the_gradient_prefers_the_accepted_and_does_not_give_it_up():
    scorer = policy()
    scored = score_pairs(scorer, PAIRS, passes=Passes(rows=8))
    for _ in range(30):
        scorer.zero_grad()
        metrics = accumulate(scorer, scored, penalty=50.0)
        with torch.no_grad():
            for parameter in scorer.parameters():
                parameter.sub_(1e-3 * parameter.grad / (1 + parameter.grad.norm()))  # pyright: ignore
    assert metrics["loss/preference"] < log(2)
    assert metrics["rewards/accuracies"] == 1
    assert metrics["rewards/chosen"] > -0.01


def test_what_is_measured_agrees_with_the_log_ratios():
    scorer = policy()
    scored = score_pairs(scorer, PAIRS, passes=Passes(rows=8))
    nudge(scorer)
    with torch.no_grad():
        won = sequence_logprobs(scorer, [pair.chosen for pair in PAIRS]) - scored.chosen
        lost = sequence_logprobs(scorer, [pair.rejected for pair in PAIRS]) - scored.rejected
    metrics = accumulate(scorer, scored)
    assert metrics["rewards/chosen"] == pytest.approx(0.3 * float(won.mean()), rel=1e-3)
    assert metrics["rewards/rejected"] == pytest.approx(0.3 * float(lost.mean()), rel=1e-3)
    assert metrics["rewards/margins"] == pytest.approx(0.3 * float((won - lost).mean()), rel=1e-3, abs=1e-5)
    assert metrics["rewards/accuracies"] == float((won > lost).float().mean())
    assert metrics["rewards/penalised"] == float((won <= 0).float().mean())
