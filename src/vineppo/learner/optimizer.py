"""AdamW, its schedule, gradient clipping, and the count of updates that had to be skipped."""

from collections.abc import Callable, Sequence
from functools import partial
from math import isfinite
from typing import Any, Literal

from torch import Tensor, nn
from torch.optim import AdamW

from vineppo.learner.parallel import like, whole, whole_tree
from vineppo.settings.learner import LearnerConfig

Shape = Literal["linear", "constant"]


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
        shape: Shape,
    ):
        self._parameters = [p for p in module.parameters() if p.requires_grad]
        self._max_grad_norm = max_grad_norm
        self._adamw = AdamW(decay_groups(self._parameters, weight_decay), lr=learning_rate, fused=True)
        self._ordered = [parameter for group in self._adamw.param_groups for parameter in group["params"]]
        self._peak = learning_rate
        self._factor = make_schedule(updates=updates, warmup_ratio=warmup_ratio, shape=shape)
        self._done = 0

    @property
    def learning_rate(self) -> float:
        """Of the next update."""
        return self._peak * self._factor(self._done)

    def step(self, *, veto: bool = False) -> float | None:
        """Apply the accumulated gradient and clear it; return its norm before clipping.

        None when the gradient was not finite and so was not applied. `veto` drops a finite one. The schedule moves on
        either way, so that the number of planned updates stays what it was.
        """
        norm = float(whole(nn.utils.clip_grad_norm_(self._parameters, self._max_grad_norm)))
        if isfinite(norm) and not veto:
            for group in self._adamw.param_groups:
                group["lr"] = self.learning_rate
            self._adamw.step()
        self._adamw.zero_grad(set_to_none=True)
        self._done += 1
        return norm if isfinite(norm) else None

    def finished(self, updates: int) -> None:
        """The schedule stands after so many planned updates, whether all were made or not."""
        self._done = updates

    def state_dict(self, *, keep: bool = True) -> dict[str, Any]:
        """All that the next update depends on besides the weights; the same whether they are sharded or not.

        All processes must ask; `keep` says who gets it.
        """
        return {"adamw": whole_tree(self._adamw.state_dict(), keep=keep), "done": self._done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        adamw = state["adamw"]
        moments = {index: self._placed(own, index) for index, own in adamw["state"].items()}
        self._adamw.load_state_dict({**adamw, "state": moments})
        self._done = state["done"]

    def _placed(self, state: dict[str, Tensor], index: int) -> dict[str, Tensor]:
        """A parameter's moments, sharded as it is; the count of its updates is no part of it."""
        parameter = self._ordered[index]
        return {name: value if value.ndim == 0 else like(value, parameter) for name, value in state.items()}


def policy_optimizer(policy: nn.Module, settings: LearnerConfig, *, updates: int) -> Optimizer:
    """The policy's, over `updates` planned updates."""
    return Optimizer(
        policy,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        updates=updates,
        warmup_ratio=settings.warmup_ratio,
        shape=settings.schedule,
    )


def decay_groups(parameters: Sequence[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """As AdamW takes them. Weight decay is for matrices: gains and biases have no reason to shrink."""
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def make_schedule(*, updates: int, warmup_ratio: float, shape: Shape) -> Callable[[int], float]:
    """`schedule_factor` of the number of an update."""
    return partial(schedule_factor, updates=updates, warmup=round(updates * warmup_ratio), shape=shape)


def schedule_factor(update: int, *, updates: int, warmup: int, shape: Shape) -> float:
    """Share of the peak learning rate at update 0, 1, ...: a linear warm-up, then linearly to 0 or flat."""
    if update < warmup:
        return (update + 1) / warmup
    return 1.0 if shape == "constant" else max(0.0, (updates - update) / max(1, updates - warmup))
