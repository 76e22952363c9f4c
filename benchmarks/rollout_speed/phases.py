"""Where a model's time goes, by phase: prefill or decode, and the kind of module within; and what is outside the model.

Hooks on the modules stop a clock when a module is entered or left, so each second belongs to the innermost module.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

OUTSIDE = "outside the model: caches, sampling, scheduling"


class PhaseClock:
    """Seconds by phase, while `attached`."""

    def __init__(self, model: PreTrainedModel):
        self._model = model
        self._open = [OUTSIDE]
        self._since = 0.0
        self._pass = "decode"
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hooks on, clock running."""
        modules = [(module, kind) for module in self._model.modules() if (kind := _kind(self._model, module))]
        hooks = [hook for module, kind in modules for hook in self._hook(module, kind)]
        self._since = time.perf_counter()
        try:
            yield
        finally:
            self._credit()
            for hook in hooks:
                hook.remove()

    def _hook(self, module: nn.Module, kind: str) -> list[Any]:
        def enter(_: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
            if module is self._model.base_model:
                ids = kwargs.get("input_ids", args[0] if args else None)
                self._pass = "prefill" if isinstance(ids, torch.Tensor) and ids.shape[-1] > 1 else "decode"
            self._credit()
            self._open.append(f"{self._pass}: {kind}")

        def leave(*_: object) -> None:
            self._credit()
            self._open.pop()

        return [module.register_forward_pre_hook(enter, with_kwargs=True), module.register_forward_hook(leave)]

    def _credit(self) -> None:
        if self._model.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now


def _kind(model: PreTrainedModel, module: nn.Module) -> str | None:
    name = type(module).__name__
    if module is model or module is model.base_model:
        return "masks, positions, residuals"
    if module is model.get_output_embeddings():
        return "logits"
    return next((kind for kind in ("Attention", "MLP", "Norm") if name.endswith(kind)), None)
