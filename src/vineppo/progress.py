"""Live progress: a bar with phase and ETA on a terminal, plain lines elsewhere, and never silence for long."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from vineppo.metrics import Metrics
from vineppo.seams import Progress as Report
from vineppo.waiting import Waiting, loaded

DECODING = ("curriculum", "sample", "credit", "validate", "evaluate")
"""Phases in which tokens are decoded."""


class _Lasting(Console):
    """Falls silent when its reader leaves, as in `| head` or when a terminal closes: training goes on."""

    def on_broken_pipe(self) -> None:
        """rich would end the program."""
        self.quiet = True
        with suppress(OSError, ValueError):  # what is left in the buffer must not fail again at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Display:
    """One bar for the iterations, one for the phase within; a line for each finished iteration.

    It also keeps the seconds spent in each phase, since it is told when phases begin and end. `quiet`: it does no more.
    `brief`: it shows how far it is, and warnings, no results.
    """

    def __init__(self, total: int, *, done: int = 0, unit: str = "iteration", quiet: bool = False, brief: bool = False):
        self._console = _Lasting(highlight=False, file=sys.stdout, quiet=quiet)
        self._bars = Progress(
            TextColumn("{task.description:>12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._brief, self._quiet = brief, quiet
        self._total, self._resumed_at, self._started = total, done, time.monotonic()
        self._bar: TaskID = self._bars.add_task(unit, total=total, completed=done)
        self._phase: TaskID = self._bars.add_task("", total=None, visible=False)
        self._waiting = Waiting(lambda: self._print(f"{'':>5} {self.whereabouts()} ...", markup=False))
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> Self:
        loaded()
        self._bars.start()
        if not (self._quiet or self._console.is_terminal):
            self._waiting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.end()
        self._bars.stop()

    def whereabouts(self) -> str:
        """The phase, and how much of it is done: sample 3/32."""
        bars = {bar.id: bar for bar in self._bars.tasks}
        whole, phase = bars[self._bar], bars[self._phase]
        if not phase.visible:
            return f"{whole.description} {whole.completed:.0f}/{whole.total:.0f}"
        return phase.description + (f" {phase.completed:.0f}/{phase.total:.0f}" if phase.total else "")

    @contextmanager
    def phase(self, name: str) -> Iterator[Report]:
        """Time a phase; the yielded function takes (done, total)."""
        self._bars.reset(self._phase, description=name, total=None, visible=True)
        started = time.monotonic()
        try:
            yield lambda done, total: self._bars.update(self._phase, completed=done, total=total)
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

    def take_seconds(self) -> dict[str, float]:
        """Seconds by phase since the last call."""
        taken, self.seconds = self.seconds, {}
        return taken

    def advance(self, done: int) -> None:
        """Move the bar."""
        self._bars.update(self._bar, completed=done)

    def iteration(self, done: int, metrics: Metrics) -> None:
        """A line for a finished iteration, or for the start."""
        self.advance(done)
        if done == self._resumed_at:  # the evaluation of the start does not come again
            self._started = time.monotonic()
        if not self._brief:
            self._print(f"{done:>5}/{self._total}  {describe(metrics)}  {self.left(done)}", markup=True)

    def say(self, text: str) -> None:
        """A line for the reader."""
        if not self._brief:
            self._print(text, markup=False)

    def warn(self, text: str) -> None:
        """The same of what may have to be changed."""
        self._print(f"warning: {text}", markup=False)

    def show(self, what: RenderableType) -> None:
        """Anything that rich can print."""
        self._print(what, markup=False)

    def _print(self, what: RenderableType, *, markup: bool) -> None:
        self._waiting.heard()
        try:
            self._console.print(what, soft_wrap=isinstance(what, str), markup=markup)
        except OSError:  # the terminal is gone
            self._console.on_broken_pipe()

    def left(self, done: int) -> str:
        """The time that what is left will take, as fast as until now; empty where nothing is known or left."""
        here = done - self._resumed_at
        if here < 1 or done >= self._total:
            return ""
        left = (time.monotonic() - self._started) / here * (self._total - done)
        return f"left {timedelta(seconds=round(left))}"


def describe(metrics: Metrics) -> str:
    """The few metrics a person follows."""
    parts = []
    if "reward" in metrics:
        parts.append(f"reward {metrics['reward']:.3f}")
    if "eval/reward" in metrics:
        parts.append(f"test reward {metrics['eval/reward']:.3f}")
    elif "eval/accuracy" in metrics:
        parts.append(f"accuracy {metrics['eval/accuracy']:.1%}")
    if "completions/mean_length" in metrics:
        parts.append(f"length {metrics['completions/mean_length']:.0f}")
    if "kl" in metrics:
        parts.append(f"kl {metrics['kl']:.3f}")
    if "time/iteration" in metrics:
        tokens = sum(value for name, value in metrics.items() if name.startswith("tokens/"))
        decoding = sum(metrics.get(f"time/{phase}", 0.0) for phase in DECODING)
        parts.append(f"{tokens / max(decoding, 1e-9) / 1000:.1f}k tok/s")
        parts.append(f"{metrics['time/iteration']:.1f}s")
    return "  ".join(parts)
