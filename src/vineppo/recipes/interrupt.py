"""Ctrl-C, SIGTERM and a terminal that hangs up, without losing work."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from vineppo.processes import ALONE, Processes

SIGNALS = (signal.SIGINT, signal.SIGTERM)
HANGUP = signal.SIGHUP
"""Treated as SIGTERM, unless it is ignored, as under nohup."""

INSISTING = 5.0
"""Seconds after which a second signal to one of several processes is a person's: launchers pass on the first one."""


class Interrupt:
    """Turns the signals into KeyboardInterrupt, at once or, inside `deferred`, when the block is over.

    A second signal inside `deferred` does not wait, and where all that is complete is saved, neither does SIGTERM: what
    sends it kills soon after. Several processes stop together, at the next `agreed`.
    """

    def __init__(self, processes: Processes = ALONE):
        self._processes = processes
        self._deferring = processes.count > 1
        self._pending = False
        self._at_once = False
        self._first = 0.0

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals within the block. Only the main thread can; elsewhere they stay as they are."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        heeded = (*SIGNALS, HANGUP) if signal.getsignal(HANGUP) is signal.SIG_DFL else SIGNALS
        before = {number: signal.signal(number, self._handle) for number in heeded}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def deferred(self, *, saved: bool = False) -> Iterator[None]:
        """A block that changes weights and files together, and so should not stop in the middle. saved: all that was
        complete before it is in a checkpoint."""
        if self._processes.count > 1:
            yield
            return
        self._deferring, self._at_once = True, saved
        try:
            yield
        finally:
            self._deferring = False
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt

    def agreed(self) -> None:
        """Where several processes can stop, all at the same place: raises if any of them was told to."""
        if self._processes.count > 1 and self._processes.any(self._pending):
            self._pending = False
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        alone = self._processes.count == 1
        if self._deferring and alone and self._at_once and number != signal.SIGINT:
            raise KeyboardInterrupt
        if self._deferring and not self._pending:
            self._pending, self._first = True, time.monotonic()
            if alone:
                tell("finishing this iteration first; once more stops at once and loses it")
            elif self._processes.is_main:
                tell("stopping as soon as all processes can, at the latest after this iteration")
            return
        if self._processes.count > 1 and time.monotonic() - self._first < INSISTING:
            return
        raise KeyboardInterrupt


def tell(text: str) -> None:
    """A line for the reader, if there still is one."""
    with suppress(OSError):
        print(text, flush=True)
