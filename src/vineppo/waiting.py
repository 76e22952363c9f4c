"""Words in a long silence, for who has no bar to look at: what is going on, again after twice as long, ... a minute."""

import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread

PATIENCE, RARELY = 12.0, 60.0
"""Seconds of silence before the first word, and in the long run."""


class Waiting:
    """A thread that speaks where nobody else does."""

    def __init__(self, tell: Callable[[], object]):
        self._tell, self._said, self._over = tell, time.monotonic(), Event()

    def start(self) -> None:
        """From now on."""
        self.heard()
        Thread(target=self._break_silence, daemon=True).start()

    def heard(self) -> None:
        """Something was said."""
        self._said = time.monotonic()

    def end(self) -> None:
        """No more words."""
        self._over.set()

    def _break_silence(self) -> None:
        patience = PATIENCE
        while not self._over.wait(max(self._said + patience - time.monotonic(), 0.0)):
            if time.monotonic() >= self._said + patience:
                with suppress(OSError, ValueError):  # the reader is gone
                    self._tell()
                self.heard()
                patience = min(2 * patience, RARELY)


_loading: Waiting | None = None


def loading() -> None:
    """Libraries and a model are, until something else is shown."""
    global _loading
    loaded()
    _loading = Waiting(lambda: print("      loading ...", flush=True))
    _loading.start()


def loaded() -> None:
    """All of it, or the command is over."""
    if _loading is not None:
        _loading.end()
