"""AdamW, its schedule, gradient clipping, and the count of updates that had to be skipped."""

from typing import Any, Literal

import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR


class Optimizer:
    """One call of `step` is one update. A gradient that is not finite is dropped and counted, never applied."""

    def __init__(
        self,
        module: nn.Module,
        *,
        learning_rate: float,
        weight_decay: float,
        max_grad_norm: float,
        updates: int,
        warmup_ratio: float,
        shape: Literal["linear", "constant"],
    ):
        self._parameters = [p for p in module.parameters() if p.requires_grad]
        self._max_grad_norm = max_grad_norm
        # Weight decay is for matrices: gains and biases have no reason to shrink.
        groups = [
            {"params": [p for p in self._parameters if p.ndim >= 2], "weight_decay": weight_decay},
            {"params": [p for p in self._parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        self._adamw = AdamW([group for group in groups if group["params"]], lr=learning_rate)
        self._schedule = build_schedule(self._adamw, updates=updates, warmup_ratio=warmup_ratio, shape=shape)

    @property
    def learning_rate(self) -> float:
        """Of the next update."""
        return float(self._schedule.get_last_lr()[0])

    def step(self, *, veto: bool = False) -> float | None:
        """Apply the accumulated gradient and clear it; return its norm before clipping.

        None when the gradient was not finite and so was not applied. `veto` drops a finite one. The schedule moves on
        either way, so that the number of planned updates stays what it was.
        """
        norm = nn.utils.clip_grad_norm_(self._parameters, self._max_grad_norm)
        finite = bool(torch.isfinite(norm))
        if finite and not veto:
            self._adamw.step()
        self._adamw.zero_grad(set_to_none=True)
        self._schedule.step()
        return float(norm) if finite else None

    def state_dict(self) -> dict[str, Any]:
        """All that the next update depends on besides the weights."""
        return {"adamw": self._adamw.state_dict(), "schedule": self._schedule.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self._adamw.load_state_dict(state["adamw"])
        self._schedule.load_state_dict(state["schedule"])


def build_schedule(
    adamw: AdamW, *, updates: int, warmup_ratio: float, shape: Literal["linear", "constant"]
) -> LambdaLR:
    """Linear warm-up over `warmup_ratio` of all updates, then linearly to 0 or flat."""
    warmup = round(updates * warmup_ratio)

    def factor(update: int) -> float:
        if update < warmup:
            return (update + 1) / warmup
        return 1.0 if shape == "constant" else max(0.0, (updates - update) / max(1, updates - warmup))

    return LambdaLR(adamw, factor)
