"""What the pool knows of one replica: its process, its weights, and what it was asked to do."""

import time
from dataclasses import dataclass, field
from typing import Literal

from ray import ObjectRef
from ray.actor import ActorHandle

from vineppo.engines.ray_pool.replica import Place

Errand = Literal["start", "take new weights", "sample"]

REMEDIES: dict[Errand, str] = {
    "start": "see with `ray status` whether the cluster has the processors and GPUs for it",
    "take new weights": "see whether its machine still answers",
    "sample": "see whether its machine still answers, or let less be decoded at a time (engine.rows)",
}


@dataclass(kw_only=True, slots=True)
class Call:
    """Something a replica was asked to do and has not answered yet."""

    errand: Errand
    reply: ObjectRef
    number: int
    """Calls are numbered through."""
    version: int
    """Of the weights that it starts with, takes, or samples with."""
    requests: int = 0
    sequences: int = 0
    """Continuations it has finished."""
    heard: float = field(default_factory=time.monotonic)
    """When there was a sign that it goes on."""


@dataclass(kw_only=True, slots=True)
class Member:
    """A replica, whichever process it is in now."""

    number: int
    actor: ActorHandle | None = None
    place: Place | None = None
    """None until it has started."""
    version: int | None = None
    """Of its weights."""
    call: Call | None = None
    failed_starts: int = 0
    """In a row."""

    def __str__(self) -> str:
        where = f" (process {self.place.process} on {self.place.host})" if self.place else ""
        return f"replica {self.number}{where}"

    def is_silent(self, timeout: float) -> bool:
        """Whether it has given no sign for so long."""
        return self.call is not None and time.monotonic() - self.call.heard > timeout

    def silence(self, timeout: float) -> str:
        """What to say of it then, and what to do."""
        assert self.call is not None, "only calls can be late"
        done = f" (finished: {self.call.sequences})" if self.call.errand == "sample" else ""
        return (
            f"{self} was asked to {self.call.errand} and has given no sign of progress for {timeout:g} seconds"
            f"{done}, which is engine.pool.timeout; {REMEDIES[self.call.errand]}, or raise engine.pool.timeout"
        )
