"""Work shared out among the processes that TRL was launched with."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch.distributed as dist

from vineppo.processes import Processes

A = TypeVar("A")
B = TypeVar("B")


def processes_of(*, rank: int, count: int) -> Processes:
    """Those that accelerate runs, with a line of their own between their CPUs. All of them call this."""
    if count == 1:
        return Processes()
    group = dist.new_group(backend="gloo")
    assert isinstance(group, dist.ProcessGroup), "this process is in the group"
    return Processes(rank=rank, count=count, group=group)


def in_shares(processes: Processes, items: Sequence[A], work: Callable[[list[A]], list[B]]) -> list[B]:
    """What `work` makes of each item, in order. Every process hands in the same items and gets all results.

    Each gets equally many, the first item again where they do not go round: sharded weights are gathered in every pass
    of the model, and vLLM's server takes equal parts, so that a process with less to do would leave the others waiting.
    """
    if not items:
        return []
    count = processes.count
    filled = [*items, *[items[0]] * (-len(items) % count)]
    shares = processes.gather(work(filled[processes.rank :: count]))
    return [shares[place % count][place // count] for place in range(len(items))]
