"""AdamW and its learning-rate schedule."""

from typing import Literal

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR


def build_optimizer(module: nn.Module, *, learning_rate: float, weight_decay: float) -> AdamW:
    """AdamW with the usual betas; weight decay on matrices only."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return AdamW([group for group in groups if group["params"]], lr=learning_rate)


def build_schedule(
    optimizer: AdamW, *, updates: int, warmup_ratio: float, shape: Literal["linear", "constant"]
) -> LambdaLR:
    """Linear warm-up over `warmup_ratio` of all updates, then linearly to 0 or flat."""
    warmup = max(1, round(updates * warmup_ratio))

    def factor(update: int) -> float:
        if update < warmup:
            return (update + 1) / warmup
        return 1.0 if shape == "constant" else max(0.0, (updates - update) / max(1, updates - warmup))

    return LambdaLR(optimizer, factor)
