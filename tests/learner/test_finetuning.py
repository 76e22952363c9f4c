"""Finetuning: epochs over fixed items, with an optimizer of their own."""

import pytest

from tiny_models import tiny_model
from vineppo.learner.finetuning import Finetuning
from vineppo.learner.likelihood import accumulate_likelihood
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.passes import Passes
from vineppo.settings.learner import LearnerConfig
from vineppo.types import PromptAndResponse

SETTINGS = LearnerConfig(learning_rate=1e-3, minibatch=3, warmup_ratio=0.0)


def policy() -> TokenLogprobs:
    return TokenLogprobs(tiny_model("llama"), temperature=1.0, chunk=1000)


def ignore(done: int, total: int) -> None: ...


def test_every_item_comes_once_an_epoch_in_an_order_that_changes():
    finetuning = Finetuning(policy(), SETTINGS, num_items=7, epochs=2, seed=5)
    seen: list[list[int]] = []

    def accumulate(chosen) -> dict[str, float]:
        seen.append(list(chosen))
        return {"entropy": float(len(seen))}

    told: list[tuple[int, int]] = []
    for epoch in (1, 2):
        finetuning.epoch(epoch, accumulate, progress=lambda done, total: told.append((done, total)))
    first, second = ([index for batch in part for index in batch] for part in (seen[:3], seen[3:]))
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second
    assert [len(batch) for batch in seen] == [3, 3, 1, 3, 3, 1]
    assert told == [(i, 6) for i in range(1, 7)]
    metrics = finetuning.metrics()
    assert (metrics["updates_made"], metrics["entropy"]) == (6, 3.5)
    assert metrics["learning_rate"] == pytest.approx(1e-3 / 6), "down to nothing after the last of six"


def test_it_makes_what_it_saw_more_likely():
    scorer = policy()
    items = [PromptAndResponse(token_ids=(2, 3, 4, 5, 1), prompt_length=2) for _ in range(6)]

    def accumulate(chosen) -> dict[str, float]:
        return accumulate_likelihood(scorer, items, chosen, passes=Passes(rows=2))

    before = accumulate(range(6))["loss/likelihood"]
    scorer.zero_grad()
    finetuning = Finetuning(scorer, SETTINGS, num_items=6, epochs=8, seed=0)
    for epoch in range(1, 9):
        finetuning.epoch(epoch, accumulate, progress=ignore)
    assert accumulate(range(6))["loss/likelihood"] < before / 2


def test_a_gradient_that_is_not_finite_is_dropped_and_counted():
    scorer = policy()
    finetuning = Finetuning(scorer, SETTINGS, num_items=3, epochs=1, seed=0)
    before = {name: tensor.clone() for name, tensor in scorer.state_dict().items()}

    def accumulate(chosen) -> dict[str, float]:
        (next(scorer.parameters()).sum() * float("inf")).backward()
        return {}

    finetuning.epoch(1, accumulate, progress=ignore)
    assert finetuning.metrics()["updates_nonfinite"] == 1
    assert all((before[name] == tensor).all() for name, tensor in scorer.state_dict().items())
