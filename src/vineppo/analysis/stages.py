"""The stages of an analysis as a person follows them: a bar with the time left, and a line for each that is over."""

from collections.abc import Iterator
from contextlib import contextmanager

from vineppo.progress import Display
from vineppo.seams import Progress


class Stages:
    """So many stages, shown on a display."""

    def __init__(self, display: Display):
        self._display = display
        self._done = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[Progress]:
        """Time a stage; the yielded function takes (done, total)."""
        with self._display.phase(name) as progress:
            yield progress
        self._done += 1
        self._display.advance(self._done)
        self._display.say(f"{name:>14}  {self.seconds(name):6.1f} s")

    def seconds(self, name: str) -> float:
        """What a finished stage took."""
        return self._display.seconds[name]


def within(progress: Progress | None, before: int, total: int) -> Progress | None:
    """What a part of a stage reports to, where so much is done before it begins."""
    return None if progress is None else lambda done, _: progress(before + done, total)
