"""The starting policy, frozen, which the KL is measured to. It is only ever scored, once an iteration."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from vineppo.learner.lora import adapters_off
from vineppo.learner.passes import Passes
from vineppo.learner.scores import score
from vineppo.processes import ALONE, Processes
from vineppo.types import PromptAndResponse

Reference = Callable[[Sequence[PromptAndResponse]], list[Tensor]]
"""Per sample, [T] log-probs of its response tokens under the starting policy."""


def frozen_copy(
    scorer: nn.Module, *, passes: Passes, processes: Processes = ALONE, device: torch.device | None = None
) -> Reference:
    """A model of its own. `device`: where it scores; it waits in the CPU's memory. None: it stays where it is."""

    def reference(samples: Sequence[PromptAndResponse]) -> list[Tensor]:
        with _visiting(scorer, device):
            return score(scorer, samples, passes=passes, processes=processes)

    return reference


def without_adapters(scorer: nn.Module, *, passes: Passes, processes: Processes = ALONE) -> Reference:
    """The trained policy itself with its adapters switched off: no second copy."""

    def reference(samples: Sequence[PromptAndResponse]) -> list[Tensor]:
        with adapters_off(scorer):
            return score(scorer, samples, passes=passes, processes=processes)

    return reference


@contextmanager
def _visiting(module: nn.Module, device: torch.device | None) -> Iterator[None]:
    if device is None:
        yield
        return
    module.to(device)
    try:
        yield
    finally:
        module.to("cpu")
