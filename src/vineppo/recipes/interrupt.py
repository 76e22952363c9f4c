"""Ctrl-C and SIGTERM, without losing work."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Turns both signals into KeyboardInterrupt, at once or, inside `deferred`, when the block is over.

    A second signal inside `deferred` does not wait.
    """

    def __init__(self):
        self._deferring = False
        self._pending = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals within the block. Only the main thread can; elsewhere they stay as they are."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """A block that changes weights and files together, and so must not stop in the middle."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        if self._pending:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._deferring and not self._pending:
            self._pending = True
            print("finishing this iteration first; once more stops at once and loses it", flush=True)
            return
        raise KeyboardInterrupt
