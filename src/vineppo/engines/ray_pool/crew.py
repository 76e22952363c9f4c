"""The replicas as Ray actors: started, given weights and work, watched, and replaced when they die."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError, RayTaskError

from vineppo.engines.ray_pool.members import Call, Errand, Member
from vineppo.engines.ray_pool.replica import MakeEngine, Replica, Weights
from vineppo.engines.ray_pool.scoreboard import Score, Scoreboard
from vineppo.engines.ray_pool.serve import Advanced, Answered, Died, Event
from vineppo.errors import UserError
from vineppo.types import Request, Sampling

STARTS = 3
"""In a row that may fail."""
WAIT_SECONDS = 0.25
"""For something to happen, before progress is looked at."""


class RayCrew:
    """A `Crew`. Every wait is bounded: a replica that gives no sign for `timeout` seconds ends in a UserError."""

    def __init__(self, make: MakeEngine, *, replicas: int, timeout: float, cpus: float, gpus: float):
        self._make = ray.put(make)
        self._timeout = timeout
        self._actors = ray.remote(num_cpus=cpus, num_gpus=gpus, max_restarts=0)(Replica)
        scores = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Scoreboard)
        self._scoreboard = cast(ActorHandle, scores.remote())  # Ray's own types know no .remote of methods
        self._members = [Member(number=number) for number in range(replicas)]
        self._weights: ray.ObjectRef | None = None
        self._version = 0
        self._calls = 0
        self.deaths = 0
        """Processes that were replaced."""

    @property
    def processes(self) -> dict[int, int]:
        """Ids of the processes of those that have started."""
        return {member.number: member.place.process for member in self._members if member.place is not None}

    @property
    def memory_bytes(self) -> int | None:
        """The least that a replica's engine may hold; None where some have no such measure, or have not started."""
        sizes = [None if member.place is None else member.place.memory_bytes for member in self._members]
        known = [size for size in sizes if size is not None]
        return min(known) if len(known) == len(sizes) else None

    @property
    def idle(self) -> list[int]:
        """Those that have the current weights and nothing to do."""
        return [m.number for m in self._members if m.call is None and m.version == self._version]

    def gather(self) -> None:
        """Start those that are missing."""
        for member in self._members:
            if member.actor is None:
                self._start(member)

    def broadcast(self, weights: Weights, version: int) -> None:
        """Store the weights once, and have every replica take them. Those that start now are not waited for."""
        self._weights = ray.put({name: tensor.detach().cpu() for name, tensor in weights.items()})
        self._version = version
        self.gather()
        for member in self._members:
            if member.call is None:
                self._ask_to_load(member, "take new weights")
        while self._busy("take new weights"):
            self.events()

    def settle(self) -> None:
        """Wait until all have started."""
        while self._busy("start", "take new weights"):
            self.events()

    def send(self, replica: int, requests: Sequence[Request], sampling: Sampling) -> None:
        """Give an idle replica work."""
        member = self._members[replica]
        call = self._next_call()
        reply = self._actor(member).sample.remote(call, list(requests), sampling)
        member.call = Call(errand="sample", reply=reply, number=call, version=self._version, requests=len(requests))

    def events(self) -> list[Event]:
        """What happened; waits a moment for something to happen."""
        calls = {member.call.reply: member for member in self._members if member.call is not None}
        events: list[Event] = []
        if calls:
            replied, _ = ray.wait(list(calls), timeout=WAIT_SECONDS)
            events += [event for reply in replied for event in self._hear(calls[reply])]
        events += self._look_at_scores()
        for member in self._members:
            if member.is_silent(self._timeout):
                raise UserError(member.silence(self._timeout))
        return events

    def abandon(self) -> None:
        """End those that sample: nobody wants their answers any more. `gather` starts them again."""
        for member in self._busy("sample"):
            self._end(member)

    def close(self) -> None:
        """End all. They may be started again."""
        for member in self._members:
            self._end(member)
        if ray.is_initialized():
            kill(self._scoreboard)

    # --- one replica ---------------------------------------------------------------------------------------------

    def _start(self, member: Member) -> None:
        report = reporter(self._scoreboard, member.number)
        member.actor = cast(ActorHandle, self._actors.remote(self._make, report))
        self._ask_to_load(member, "start")

    def _ask_to_load(self, member: Member, errand: Errand) -> None:
        reply = self._actor(member).load_weights.remote(self._weights, self._version)
        member.call = Call(errand=errand, reply=reply, number=self._next_call(), version=self._version)

    def _hear(self, member: Member) -> list[Event]:
        """Its reply, or of its death."""
        call = member.call
        assert call is not None, "it was waited for"
        try:
            reply = ray.get(call.reply, timeout=self._timeout)
        except RayTaskError as error:
            raise failure(member, error) from error
        except RayError as error:
            return self._replace(member, call, error)
        member.call = None
        if call.errand == "sample":
            return [Answered(replica=member.number, groups=reply)]
        member.place, member.version, member.failed_starts = reply, call.version, 0
        if member.version != self._version:  # newer ones came while it started
            self._ask_to_load(member, "take new weights")
        return []

    def _replace(self, member: Member, call: Call, error: RayError) -> list[Event]:
        failed = member.failed_starts + 1 if call.errand == "start" else 0
        reason = last_line(error)
        if failed == STARTS:
            raise UserError(
                f"{member} died {STARTS} times in a row while it started: {reason}; see its machine's log "
                "(/tmp/ray/session_latest/logs) and whether the model fits into its memory"
            )
        repeated = f"; its {call.requests} requests are repeated" if call.requests else ""
        print(f"vineppo: {member} died and is started again{repeated} ({reason})", file=sys.stderr)
        self.deaths += 1
        self._end(member)
        member.failed_starts = failed
        self._start(member)
        return [Died(replica=member.number)]

    def _end(self, member: Member) -> None:
        if member.actor is not None and ray.is_initialized():
            kill(member.actor)
        member.actor = member.place = member.version = member.call = None

    def _actor(self, member: Member) -> ActorHandle:
        assert member.actor is not None, "gather starts them all"
        return member.actor

    # --- all of them ---------------------------------------------------------------------------------------------

    def _busy(self, *errands: Errand) -> list[Member]:
        return [member for member in self._members if member.call is not None and member.call.errand in errands]

    def _next_call(self) -> int:
        self._calls += 1
        return self._calls

    def _look_at_scores(self) -> Iterable[Event]:
        """Progress of those that sample. Without the scoreboard there is none, and that is all."""
        sampling = self._busy("sample")
        scores: Mapping[int, Score] = {}
        if sampling:
            with contextlib.suppress(RayError):
                scores = cast("Mapping[int, Score]", ray.get(self._scoreboard.read.remote(), timeout=WAIT_SECONDS))
        for member in sampling:
            call, score = member.call, scores.get(member.number)
            if call is not None and score is not None and score.call == call.number:
                if score.sequences > call.sequences:
                    call.heard, call.sequences = time.monotonic(), score.sequences
                yield Advanced(replica=member.number, sequences=call.sequences)


def reporter(scoreboard: ActorHandle, replica: int) -> Callable[[Score], object]:
    """How a replica says how far it is, without waiting for anybody."""
    return lambda score: scoreboard.report.remote(replica, score)


def failure(member: Member, error: RayTaskError) -> Exception:
    """What to raise for an exception in a replica: no death, and it would come again."""
    if isinstance(error.cause, UserError):
        return UserError(str(error.cause))
    return RuntimeError(f"{member} failed: {error}")


def last_line(error: RayError) -> str:
    """Of Ray's many, the one that says why."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].partition(" Some common causes")[0][:300] if lines else type(error).__name__


def kill(actor: ActorHandle) -> None:
    """End its process, if there still is one."""
    with contextlib.suppress(RayError, ValueError):
        ray.kill(actor, no_restart=True)
