"""The loop that gets a wave answered by replicas that may die. It knows nothing of Ray: see `Crew`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vineppo.engines.ray_pool.wave import Group, Wave
from vineppo.seams import Progress
from vineppo.types import Request, Sampling


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """A replica finished its piece."""

    replica: int
    groups: list[Group]


@dataclass(frozen=True, kw_only=True, slots=True)
class Advanced:
    """A replica finished so many continuations of its piece."""

    replica: int
    sequences: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Died:
    """A replica's process is gone. Another one is being started in its place."""

    replica: int


Event = Answered | Advanced | Died


class Crew(Protocol):
    """Replicas that can be given work. Numbers stay when processes are replaced."""

    @property
    def idle(self) -> Sequence[int]:
        """Those that have the current weights and nothing to do."""
        ...

    def send(self, replica: int, requests: Sequence[Request], sampling: Sampling) -> None:
        """Give an idle replica work."""
        ...

    def events(self) -> Sequence[Event]:
        """What happened; waits a moment for something to happen. Raises UserError where all patience is at its end."""
        ...


def serve(
    wave: Wave, crew: Crew, requests: Sequence[Request], sampling: Sampling, *, progress: Progress | None = None
) -> None:
    """Until every request is answered."""
    while not wave.finished:
        for replica in crew.idle:
            if piece := wave.take(replica):
                crew.send(replica, [requests[index] for job in piece for index in job.requests], sampling)
        for event in crew.events():
            match event:
                case Answered(replica=replica, groups=groups):
                    wave.answer(replica, groups)
                case Advanced(replica=replica, sequences=sequences):
                    wave.advance(replica, sequences)
                case Died(replica=replica):
                    wave.lose(replica)
        if progress is not None:
            progress(wave.sequences_done, wave.sequences)
