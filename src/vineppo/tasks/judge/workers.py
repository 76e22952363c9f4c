"""Child processes that may hang or die without harm: one request each at a time, a hard wall clock on each request.

A request that takes too long costs its worker: the process is killed and another started. The same where it crashes
or outgrows its memory. In all three cases that request alone has no reply. No signals, no threads, no fork: a child is
a fresh interpreter that imports what its module names, never torch.
"""

import contextlib
import json
import os
import pickle
import selectors
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vineppo.errors import UserError

START_SECONDS = 120.0
"""Importing sympy from a cold disk takes long; that is no answer's fault."""


@dataclass(kw_only=True, slots=True, eq=False)
class Worker:
    """A child process and what it is at."""

    process: subprocess.Popen[bytes]
    deadline: float
    """When to give it up: on its request, or on starting."""
    ready: bool = False
    request: int | None = None
    """Index of the request it works on; None while it starts or idles."""
    heard: bytes = b""
    """The part of a reply that came."""


class Workers:
    """Started when first needed, ended with the interpreter."""

    def __init__(self, module: str, *, count: int | None, seconds: float, memory_mib: int):
        self._module, self._seconds, self._memory_mib = module, seconds, memory_mib
        self._count = default_count() if count is None else count
        self._workers: list[Worker] = []
        weakref.finalize(self, end, self._workers)

    def ask(self, requests: Sequence[object]) -> list[object | None]:
        """The reply to each request; None where it took too long, too much memory, or crashed its worker."""
        replies: list[object | None] = [None] * len(requests)
        waiting = deque(range(len(requests)))
        try:
            while waiting or self._busy():
                self._hand_out(waiting, requests)
                for worker in self._wait():
                    self._hear(worker, replies)
                self._drop_late()
        except BaseException:
            # A reply to this batch must not be taken for one to the next.
            self._drop(self._busy())
            raise
        return replies

    def close(self) -> None:
        """End all workers; the next request starts new ones."""
        self._drop(list(self._workers))

    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.request is not None]

    def _hand_out(self, waiting: deque[int], requests: Sequence[object]) -> None:
        for worker in [worker for worker in self._workers if worker.ready and worker.request is None]:
            if waiting and not self._send(worker, requests[waiting[0]]):
                self._drop([worker])  # it died while idle: the request is as good as new
            elif waiting:
                worker.request = waiting.popleft()
        starting = sum(not worker.ready for worker in self._workers)
        room = self._count - len(self._workers)
        self._workers += [self._start() for _ in range(min(room, len(waiting) - starting))]

    def _send(self, worker: Worker, request: object) -> bool:
        assert worker.process.stdin is not None, "we asked for a pipe"
        worker.deadline = time.monotonic() + self._seconds
        try:
            worker.process.stdin.write(pickle.dumps(request))
            worker.process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def _start(self) -> Worker:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", self._module, str(self._seconds), str(self._memory_mib)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,  # Ctrl-C is for the parent
        )
        return Worker(process=process, deadline=time.monotonic() + START_SECONDS)

    def _wait(self) -> list[Worker]:
        """Those that have something to say, once anyone has or is late."""
        awaited = [worker for worker in self._workers if worker.request is not None or not worker.ready]
        with selectors.DefaultSelector() as selector:
            for worker in awaited:
                assert worker.process.stdout is not None, "we asked for a pipe"
                selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
            patience = min((worker.deadline for worker in awaited), default=0.0) - time.monotonic()
            return [key.data for key, _ in selector.select(max(patience, 0.0))]

    def _hear(self, worker: Worker, replies: list[object | None]) -> None:
        assert worker.process.stdout is not None, "we asked for a pipe"
        piece = os.read(worker.process.stdout.fileno(), 65536)
        worker.heard += piece
        if not piece:
            if not worker.ready:
                raise RuntimeError(
                    f"the judge's worker {self._module} ended while it started; run it by hand to see why"
                )
            self._drop([worker])
        elif piece.endswith(b"\n"):
            message, worker.heard = json.loads(worker.heard), b""
            if worker.request is not None:
                replies[worker.request], worker.request = message, None
            else:
                check_start(message, self._module)
                worker.ready = True

    def _drop_late(self) -> None:
        now = time.monotonic()
        late = [worker for worker in self._workers if worker.request is not None and worker.deadline <= now]
        if any(not worker.ready and worker.deadline <= now for worker in self._workers):
            raise RuntimeError(f"the judge's worker {self._module} did not start within {START_SECONDS:.0f} seconds")
        self._drop(late)

    def _drop(self, workers: Iterable[Worker]) -> None:
        gone = list(workers)
        end(gone)
        self._workers[:] = [worker for worker in self._workers if worker not in gone]


def check_start(message: object, module: str) -> None:
    """A worker says that it is ready, or which package it lacks."""
    match message:
        case {"error": error}:
            raise UserError(f"the judge's worker {module} cannot start: {error}; install what it names with pip")


def end(workers: Sequence[Worker]) -> None:
    """Kill and clean up."""
    for worker in workers:
        worker.process.kill()
        worker.process.wait()
        for pipe in (worker.process.stdin, worker.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()


def default_count() -> int:
    """One a core, and four at most: judging waits for few answers."""
    return min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
