"""What runs in a replica's process: an engine, made there."""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from vineppo.engines.limits import Sized
from vineppo.engines.ray_pool.scoreboard import Score
from vineppo.engines.ray_pool.wave import Group
from vineppo.seams import Engine, Progress
from vineppo.types import Request, Sampling

if TYPE_CHECKING:
    from torch import Tensor

Weights: TypeAlias = "Mapping[str, Tensor]"
MakeEngine = Callable[[Weights], Engine]
"""Makes an engine with these weights, in the process that calls it."""

REPORT_SECONDS = 0.2
"""Between two reports of progress, at least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a replica runs."""

    host: str
    process: int
    memory_bytes: int | None = None
    """That its engine may hold; None where the engine has no such measure."""


class Replica:
    """Becomes a Ray actor: one call at a time, in the order of the calls."""

    def __init__(self, make: MakeEngine, report: Callable[[Score], object]):
        self._make = make
        self._report = report
        self._engine: Engine | None = None

    def load_weights(self, weights: Weights, policy_version: int) -> Place:
        """Take these weights; the first ones make the engine."""
        if self._engine is None:
            self._engine = self._make(weights)
        self._engine.load_weights(weights, policy_version=policy_version)
        memory = self._engine.memory_bytes if isinstance(self._engine, Sized) else None
        return Place(host=socket.gethostname(), process=os.getpid(), memory_bytes=memory)

    def sample(self, call: int, requests: Sequence[Request], sampling: Sampling) -> list[Group]:
        """One group per request, in order."""
        assert self._engine is not None, "the first call brings weights"
        return self._engine.sample(requests, sampling, progress=self._reporter(call))

    def _reporter(self, call: int) -> Progress:
        reported = time.monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal reported
            if time.monotonic() - reported >= REPORT_SECONDS:
                reported = time.monotonic()
                self._report(Score(call=call, sequences=done))

        return progress
