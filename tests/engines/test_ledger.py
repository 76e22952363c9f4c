"""All that sampling holds stays within the budget, measured as it happens."""

from collections.abc import Callable

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from tiny_models import tiny_model
from vineppo.engines.torch import batch, branches, buffers, decoder, forest, recorded, trunks
from vineppo.engines.torch.engine import TorchEngine
from vineppo.engines.torch.memory import default_memory, measure
from vineppo.engines.torch.recordings import Capture
from vineppo.types import Request, Sampling


class Allocations(TorchDispatchMode):
    """Knows every stretch of memory that was made within it and still lives."""

    def __init__(self):
        super().__init__()
        self._living: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, list | tuple) else (made,):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self._living[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        return made

    @property
    def held(self) -> int:
        self._living = {key: own for key, own in self._living.items() if not own[0].expired()}
        return sum(size for _, size in self._living.values())


def watched(monkeypatch: pytest.MonkeyPatch, allocations: Allocations) -> list[int]:
    """Bytes held wherever something large was made."""
    seen: list[int] = []

    def watch(owner: object, name: str) -> None:
        whole = getattr(owner, name)

        def then_look(*arguments, **settings):
            made = whole(*arguments, **settings)
            seen.append(allocations.held)
            return made

        monkeypatch.setattr(owner, name, then_look)

    watch(forest, "_side_by_side")
    watch(branches.BranchCache, "relaid")
    watch(trunks, "prefill")
    watch(batch, "draw_tokens")
    watch(decoder, "draw_tokens")
    watch(buffers.Stretch, "renew")
    watch(recorded.RecordedDecoder, "_kept")
    watch(recorded, "draw_part")
    return seen


class Anew:
    """Records nothing and does the work anew, so that all it holds is seen."""

    def record(self, work: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        return work

    def forget(self) -> None:
        pass


@pytest.mark.parametrize(
    ("kib", "capture"),
    [(400, None), (800, None), (4000, None), (1000, Anew()), (1600, Anew()), (8000, Anew())],
)
def test_bytes_held_never_exceed_the_budget(monkeypatch: pytest.MonkeyPatch, kib: int, capture: Capture | None):
    memory = kib * 2**10
    model = tiny_model("llama-gqa")
    engine = TorchEngine(model, end_ids=(1,), context=64, rows=200, memory_bytes=memory, capture=capture)
    allocations = Allocations()
    seen = watched(monkeypatch, allocations)
    prompts = [Request(prefix=(2, 5 + i, 3), count=5, seed=i, branches=True) for i in range(6)]
    with allocations:
        groups = engine.sample(prompts, Sampling(max_new_tokens=30, top_p=0.9))
        whole = [own.prefix + c.token_ids for own, group in zip(prompts, groups, strict=True) for c in group]
        states = [Request(prefix=t[:cut], count=3, seed=cut) for t in whole for cut in range(3, len(t), 9)]
        engine.sample(states, Sampling(max_new_tokens=30, top_p=0.9))
    assert max(seen) <= memory
    assert max(seen) >= 0.3 * memory or kib >= 4000, "the budget is used"


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
