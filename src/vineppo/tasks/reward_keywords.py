"""What reward functions may ask for besides prompts, completions and columns, under TRL's names, and what they tell."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from vineppo.errors import UserError
from vineppo.metrics import LOGGED, Metrics
from vineppo.types import Response


@dataclass
class RewardState:
    """The run, as reward functions see it, and the metrics that they log."""

    global_step: int = 0
    """Iterations done."""
    max_steps: int = 0
    logged: dict[str, list[float]] = field(default_factory=dict)

    def log_metric(self, name: str, value: float) -> None:
        """Its mean over an iteration, of finite values, is a metric."""
        self.logged.setdefault(name, []).append(float(value))

    def take_logged(self) -> dict[str, list[float]]:
        """All since the last call."""
        taken, self.logged = self.logged, {}
        return taken


STATE = RewardState()
"""Of the run in this process."""


class Columns:
    """What functions tell of each of some responses."""

    def __init__(self, count: int):
        self.of_each: list[dict[str, object]] = [{} for _ in range(count)]

    def log_extra(self, column: str, values: Iterable[object]) -> None:
        """One value a response, for its logged trajectory."""
        given = plain(values)
        if not isinstance(given, list) or len(given) != len(self.of_each):
            count = len(given) if isinstance(given, list) else 1
            raise UserError(
                f"log_extra({column!r}, ...) got {count} values for {len(self.of_each)} completions; give one each"
            )
        for own, value in zip(self.of_each, given, strict=True):
            own[column] = value


def keywords(responses: Sequence[str], columns: Columns) -> dict[str, Any]:
    """By name, all that a function may ask for."""
    return {
        "completion_ids": [list(r.token_ids) if isinstance(r, Response) else [] for r in responses],
        "trainer_state": STATE,
        "log_metric": STATE.log_metric,
        "log_extra": columns.log_extra,
    }


def takes(function: Callable[..., object], keyword: str) -> bool:
    """Whether a function can be called with a keyword."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built-in
        return False
    return any(p.kind is p.VAR_KEYWORD or (p.name == keyword and p.kind is not p.POSITIONAL_ONLY) for p in parameters)


def logged_metrics(shares: Iterable[Mapping[str, Sequence[float]]]) -> Metrics:
    """Means over what all processes logged, under names that cannot be mistaken for others."""
    together: dict[str, list[float]] = {}
    for share in shares:
        for name, values in share.items():
            together.setdefault(f"{LOGGED}{name}", []).extend(filter(math.isfinite, values))
    return {name: math.fsum(values) / len(values) for name, values in together.items() if values}


def plain(value: Any) -> Any:
    """As JSON has it: arrays and tensors become lists and numbers, what is no data its text."""
    match value:
        case np.ndarray() | np.generic() | torch.Tensor():
            return plain(value.tolist())
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): plain(own) for key, own in value.items()}
        case Iterable():
            return [plain(own) for own in value]
        case _:
            return str(value)
