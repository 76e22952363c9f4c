"""All that sampling holds stays within the budget, measured as it happens."""

import gc

import pytest
import torch

from tiny_models import tiny_model
from vineppo.engines.torch import batch as batch_module
from vineppo.engines.torch import branches, forest, trunks
from vineppo.engines.torch.engine import TorchEngine
from vineppo.engines.torch.memory import default_memory, measure
from vineppo.types import Request, Sampling


def held(known: set[int]) -> int:
    """Bytes of all tensors but those from before."""
    found: dict[int, int] = {}
    for thing in gc.get_objects():
        if type(thing) is torch.Tensor and thing.layout is torch.strided:
            storage = thing.untyped_storage()
            if storage.data_ptr() not in known:
                found[storage.data_ptr()] = storage.nbytes()
    return sum(found.values())


@pytest.fixture
def most(monkeypatch: pytest.MonkeyPatch):
    """The most bytes held, looked at wherever something large was made."""
    seen: list[int] = []
    known: set[int] = set()

    def watch(owner: object, name: str) -> None:
        whole = getattr(owner, name)

        def watched(*arguments, **settings):
            made = whole(*arguments, **settings)
            seen.append(held(known))
            return made

        monkeypatch.setattr(owner, name, watched)

    watch(forest, "_side_by_side")
    watch(branches.BranchCache, "relaid")
    watch(trunks, "prefill")
    watch(batch_module, "draw_tokens")

    def start() -> list[int]:
        gc.collect()
        known.update(
            thing.untyped_storage().data_ptr()
            for thing in gc.get_objects()
            if isinstance(thing, torch.Tensor) and thing.layout is torch.strided
        )
        return seen

    return start


@pytest.mark.parametrize("mib", [0.5, 1, 2, 8])
def test_bytes_held_never_exceed_the_budget(most, mib: float):
    memory = int(mib * 2**20)
    model = tiny_model("llama-gqa")
    engine = TorchEngine(model, end_ids=(1,), context=64, rows=200, memory_bytes=memory)
    seen = most()
    prompts = [Request(prefix=(2, 5 + i % 7, 3), count=6, seed=i, branches=True) for i in range(12)]
    groups = engine.sample(prompts, Sampling(max_new_tokens=45, top_p=0.9))
    whole = [
        (own.prefix + c.token_ids, len(own.prefix)) for own, group in zip(prompts, groups, strict=True) for c in group
    ]
    states = [Request(prefix=t[:cut], count=3, seed=cut) for t, start in whole for cut in range(start, len(t), 7)]
    engine.sample(states, Sampling(max_new_tokens=45, top_p=0.9))
    assert seen
    assert max(seen) <= memory
    if mib <= 2:
        assert max(seen) >= 0.3 * memory, "the budget is used"


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
