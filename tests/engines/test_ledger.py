"""All that sampling holds stays within the budget, measured as it happens."""

from collections.abc import Callable

import pytest
import torch
from transformers import DynamicCache

from tiny_models import tiny_model
from vineppo.engines.torch.engine import TorchEngine
from vineppo.engines.torch.memory import default_memory, measure
from vineppo.engines.torch.passing import Living, activation_bytes
from vineppo.engines.torch.recordings import Capture
from vineppo.types import Request, Sampling


class Anew:
    """Records nothing and does the work anew, so that all it holds is seen."""

    def record(self, work: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        return work

    def forget(self) -> None:
        pass


@pytest.mark.parametrize(
    ("kib", "capture", "shared"),
    [(400, None, 0), (4000, None, 0), (1600, Anew(), 0), (8000, Anew(), 0), (1600, None, 80)],
)
def test_bytes_held_never_exceed_the_budget(kib: int, capture: Capture | None, shared: int):
    memory = kib * 2**10
    model = tiny_model("llama-gqa")
    engine = TorchEngine(model, end_ids=(1,), context=64 + shared, rows=200, memory_bytes=memory, capture=capture)
    beginning = tuple(3 + place % 9 for place in range(shared))
    prompts = [Request(prefix=(*beginning, 2, 5 + i, 3), count=4, seed=i, branches=True) for i in range(4)]
    with Living() as living:
        groups = engine.sample(prompts, Sampling(max_new_tokens=30, top_p=0.9))
        whole = [own.prefix + c.token_ids for own, group in zip(prompts, groups, strict=True) for c in group]
        states = [Request(prefix=t[:cut], count=3, seed=cut) for t in whole for cut in range(shared + 3, len(t), 24)]
        engine.sample(states, Sampling(max_new_tokens=30, top_p=0.9))
    assert living.peak <= memory
    assert living.peak >= 0.3 * memory or kib >= 4000, "the budget is used"


def test_the_peak_is_that_of_what_lives_at_once():
    with Living() as living:
        kept = torch.zeros(100)
        for _ in range(5):
            passing = torch.zeros(1000)
        del passing
        torch.zeros(10)
    assert living.held == 400
    assert 4400 <= living.peak <= 8400, "one is made while the one before it still has its name"
    assert len(kept) == 100


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma2"])
def test_activations_are_those_of_a_longer_pass_too(name: str):
    """Measured on 16 tokens, and held against the peak of 48: its mask, and what else is square, is little."""
    model = tiny_model(name)
    with torch.inference_mode(), Living() as living:
        cache = DynamicCache()
        model.base_model(input_ids=torch.zeros((1, 48), dtype=torch.long), past_key_values=cache, use_cache=True)
        kept = living.held
    assert (living.peak - kept) / 48 == pytest.approx(activation_bytes(model), rel=0.15)


def test_what_the_learner_will_take_is_left_to_it():
    device = torch.device("cpu")
    assert default_memory(device, spoken_for=10**15) == 0
    assert 0 < default_memory(device, spoken_for=2**30) < default_memory(device)


def test_a_small_budget_makes_the_law_and_prefill_small():
    model = tiny_model("llama")
    small, large = measure(model, 2**20), measure(model, 2**33)
    assert small.law < large.law
    assert small.together < large.together
    assert small.prices.step * 4 < small.tokens


def test_it_is_sized_when_it_is_first_used_and_not_before():
    engine = TorchEngine(tiny_model("llama"), end_ids=(1,), context=64)
    assert engine.memory_bytes is None
    engine.allot(1 << 22)
    engine.sample([Request(prefix=(2, 3), count=2, seed=0)], Sampling(max_new_tokens=3))
    assert engine.memory_bytes == 1 << 22


def test_asleep_it_holds_nothing():
    engine = TorchEngine(tiny_model("llama"), end_ids=(1,), context=64, memory_bytes=1 << 22)
    request = Request(prefix=(2, 3, 4), count=3, seed=0, branches=True)
    with Living() as living:
        first = engine.sample([request], Sampling(max_new_tokens=9))
        awake = living.held
        engine.sleep()
        assert living.held < awake
        assert engine.sample([request], Sampling(max_new_tokens=9)) == first
