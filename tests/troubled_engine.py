"""A pool's engine for tests of what can go wrong. Without torch: its processes start in a second."""

import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from vineppo.engines.fake import FakeEngine
from vineppo.errors import UserError
from vineppo.seams import Progress
from vineppo.types import Completion, Request, Sampling

if TYPE_CHECKING:
    from torch import Tensor

END, POISON, HANG, WRONG = 1, 7, 8, 9
"""Tokens of which the last three, at the beginning of a prefix, mean trouble."""


def law(prefix: tuple[int, ...]) -> tuple[float, ...]:
    """Of the next token: depends on the last one."""
    return (0.1, 0.1, 0.5, 0.3) if prefix[-1] % 2 else (0.3, 0.2, 0.2, 0.3)


class TroubledEngine:
    """A fake engine that takes its time, and dies, hangs or complains where a prefix says so."""

    def __init__(self, weights: "Mapping[str, Tensor]", *, seconds: float):
        self._engine = FakeEngine(law, end_ids=(END,))
        self._seconds = seconds

    @property
    def policy_version(self) -> int:
        return self._engine.policy_version

    def load_weights(self, state: "Mapping[str, Tensor]", *, policy_version: int) -> None:
        self._engine.load_weights(state, policy_version=policy_version)

    def sample(
        self, requests: Sequence[Request], sampling: Sampling, *, progress: Progress | None = None
    ) -> list[tuple[Completion, ...]]:
        groups, done, total = [], 0, sum(request.count for request in requests)
        for request in requests:
            if request.prefix[0] == POISON:
                os._exit(1)
            if request.prefix[0] == HANG:
                time.sleep(60)
            if request.prefix[0] == WRONG:
                raise UserError("a prefix that no engine takes; take another")
            time.sleep(self._seconds)
            groups += self._engine.sample([request], sampling)
            done += request.count
            if progress is not None:
                progress(done, total)
        return groups


make_troubled = partial(TroubledEngine, seconds=0.01)
