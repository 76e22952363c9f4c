"""Several processes of a run as threads of one: what they tell each other goes through a barrier."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vineppo.processes import Processes

T = TypeVar("T")
SECONDS = 20


@dataclass
class Board:
    barrier: threading.Barrier
    notes: dict[int, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ThreadOf(Processes):
    board: Board

    def gather(self, own: T) -> list[T]:
        self.board.barrier.wait(SECONDS)
        self.board.notes[self.rank] = own
        self.board.barrier.wait(SECONDS)
        return [self.board.notes[rank] for rank in range(self.count)]


def together(count: int, work: Callable[[Processes], T]) -> list[T]:
    """What each of `count` processes makes of the same work, by rank."""
    board = Board(threading.Barrier(count))
    with ThreadPoolExecutor(count) as pool:
        runs = [pool.submit(work, ThreadOf(rank=rank, count=count, board=board)) for rank in range(count)]
        return [run.result() for run in runs]
