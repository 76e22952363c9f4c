"""The processes of one run, and what they tell each other.

All run the same program and hold the same records: questions, trajectories, credit, metrics. Only sampling, judging,
scoring and gradients are shared out, and their results are gathered, so that every decision is made alike everywhere.
Nothing of ours is drawn from shared random states, so one process or eight make the same numbers, up to rounding.

What is told here travels over gloo, between the CPUs; only gradients and weights use the accelerator's own network.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from math import fsum
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from vineppo.errors import ProcessLostError, UserError
from vineppo.launch import find_launch

T = TypeVar("T")

NETWORKS = ("gloo", "NCCL")
"""Errors of a broken connection carry one of these names, and often nothing else that tells them apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Processes:
    """This one and the others. Everything but `rank`, `count` and `is_main` must be called by all of them."""

    rank: int = 0
    count: int = 1
    device: str = "auto"
    """This process's own, in the words of `policy.device`."""
    sharded: bool = False
    """Weights, gradients and optimizer are sharded (FSDP2), not replicated (DDP)."""
    timeout: float = 0.0
    """Seconds after which a silent process is given up."""
    group: "dist.ProcessGroup | None" = None

    @property
    def is_main(self) -> bool:
        """Whether this one writes the run directory, prints and tracks."""
        return self.rank == 0

    def gather(self, own: T) -> list[T]:
        """What each process brought, in the order of their ranks."""
        if self.count == 1:
            return [own]
        gathered: list[Any] = [None] * self.count
        dist.all_gather_object(gathered, own, group=self.group)
        return gathered

    def join(self, own: Sequence[T]) -> list[T]:
        """All processes' items, in the order of their ranks."""
        return [item for share in self.gather(own) for item in share]

    def sum(self, own: Mapping[str, float]) -> dict[str, float]:
        """Name by name; all processes have the same names."""
        if self.count == 1:
            return dict(own)
        shares = self.gather(dict(own))
        return {name: fsum(share[name] for share in shares) for name in own}

    def any(self, own: bool) -> bool:
        """Whether it is true of any process."""
        return any(self.gather(own))

    def from_main(self, value: T) -> T:
        """The main process's value."""
        return self.gather(value)[0]

    def ask_main(self, make: Callable[[], T]) -> T:
        """What the main process makes; the others only hear of it."""
        return make() if self.count == 1 else self.gather(make() if self.is_main else None)[0]  # pyright: ignore[reportReturnType]

    def wait(self) -> None:
        """Until all have come here."""
        self.gather(None)

    def check_same(self, digest: str, *, what: str) -> None:
        """Raise RuntimeError unless all processes hold the same: from then on they would train different policies."""
        if len(digests := set(self.gather(digest))) > 1:
            raise RuntimeError(
                f"{what} differ between the {self.count} processes ({', '.join(sorted(digests))}): something draws "
                "from shared random state or reads a clock outside the judge; make it depend on its arguments alone"
            )

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Tell a lost process from all other errors within the block, as ProcessLostError."""
        try:
            yield
        except RuntimeError as error:
            if self.count == 1 or not _is_broken_connection(error):
                raise
            raise ProcessLostError(
                f"process {self.rank} of {self.count} lost another one, which has ended, failed, or not answered for "
                f"{self.timeout:g} s (processes.timeout): {str(error).splitlines()[0][:200]}; what it printed says "
                "why; the same command with --resume continues from the last checkpoint"
            ) from error


ALONE = Processes()
"""A run of one process."""


def start_processes(device: str, *, timeout: float) -> Processes:
    """Those that accelerate or torchrun started, as they tell by environment variables; ALONE where they started none.

    `device` is `policy.device`; on GPUs each process takes its own. Raises UserError for a device that all would share.
    """
    launch = find_launch()
    if launch.count == 1:
        return Processes(device=device)
    if device not in ("auto", "cpu", "cuda"):
        raise UserError(
            f"policy.device is {device!r}, but each of several processes needs its own; set it to auto, cuda or cpu"
        )
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("policy.device is 'cuda', which torch cannot use here; try auto or cpu")
    # Else transformers would load weights on the main process only, for accelerate to hand out, which we do not use.
    os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    from accelerate import PartialState

    on_cpu = device == "cpu" or not torch.cuda.is_available()
    state = PartialState(cpu=on_cpu, timeout=timedelta(seconds=timeout))
    group = dist.new_group(backend="gloo", timeout=timedelta(seconds=timeout))
    assert isinstance(group, dist.ProcessGroup), "this process is in the group"
    return Processes(
        rank=state.process_index,
        count=state.num_processes,
        device=str(state.device),
        sharded=launch.sharded,
        timeout=timeout,
        group=group,
    )


def end_processes() -> None:
    """Close the connections, after the last word. Nothing to do for one process: vLLM in it closes what it opened."""
    if find_launch().count > 1 and dist.is_initialized():
        dist.destroy_process_group()


def _is_broken_connection(error: RuntimeError) -> bool:
    return isinstance(error, dist.DistError) or any(network in str(error) for network in NETWORKS)
