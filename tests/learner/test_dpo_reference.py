"""Without the penalty, DPO-Positive is DPO: loss and gradient of one update of TRL's trainer, kept in a file."""

import json
from pathlib import Path

import pytest
import torch
from formula_llama import formula_llama

from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.passes import Passes
from vineppo.learner.preference import Pair, ScoredPairs, accumulate_preference, score_pairs
from vineppo.types import PromptAndResponse

TRL = json.loads(Path(__file__).with_name("dpo_reference.json").read_text())


def scorer(phase: float) -> TokenLogprobs:
    return TokenLogprobs(formula_llama(phase), temperature=1.0, chunk=1000)


def item(prompt: list[int], response: list[int]) -> PromptAndResponse:
    return PromptAndResponse(token_ids=(*prompt, *response), prompt_length=len(prompt))


@pytest.fixture(scope="module")
def pairs() -> ScoredPairs:
    made = [
        Pair(chosen=item(row["prompt"], row["chosen"]), rejected=item(row["prompt"], row["rejected"]))
        for row in TRL["rows"]
    ]
    return score_pairs(scorer(0.5), made, passes=Passes(rows=8))


def test_loss_and_gradient_are_those_of_trl(pairs: ScoredPairs):
    policy = scorer(0.0)
    metrics = accumulate_preference(policy, pairs, range(4), beta=TRL["beta"], penalty=0.0, passes=Passes(rows=4))
    assert metrics["loss/preference"] == pytest.approx(TRL["loss"], rel=1e-5)
    for name in ("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies"):
        assert metrics[name] == pytest.approx(TRL[name], rel=1e-4)
    gradient = {name: parameter.grad for name, parameter in policy.model.named_parameters()}
    norms = {name: float(tensor.norm()) for name, tensor in gradient.items() if tensor is not None}
    assert norms == pytest.approx(TRL["gradient_norms"], rel=1e-3, abs=1e-6)
    head = gradient["lm_head.weight"]
    assert head is not None
    torch.testing.assert_close(head[5], torch.tensor(TRL["head_gradient"]), rtol=1e-3, atol=1e-6)


def test_with_the_penalty_it_is_not(pairs: ScoredPairs):
    metrics = accumulate_preference(scorer(0.0), pairs, range(4), beta=TRL["beta"], penalty=50.0, passes=Passes(rows=4))
    assert metrics["rewards/penalised"] > 0
    assert metrics["loss/preference"] > TRL["loss"] + 1
