"""The words of a forecast: parts, and the phases of an iteration in which each is there."""

from dataclasses import dataclass
from typing import Literal

MIB, GIB = 2**20, 2**30

Phase = Literal["sample", "score", "backward", "step"]
"""Sampling; scoring by the reference; forward and backward passes of a minibatch; the optimizer's step after them."""
FREE_SHARE = 0.5
"""Of what is free on a GPU beside the networks: what sampling takes where `engine.memory_gib` says nothing."""
FLOAT32 = 4
"""Bytes a number of all that learns."""

ALWAYS: tuple[Phase, ...] = ("sample", "score", "backward", "step")
UPDATE: tuple[Phase, ...] = ("backward", "step")


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a process runs, and beside how many others."""

    processes: int = 1
    sharded: bool = False
    """FSDP2: each holds a part of the weights. Otherwise, with several, DDP: each holds all."""
    gpu: bool = True
    gpu_bytes: int | None = None
    """The GPU's whole memory; None where it is not known."""

    @property
    def shards(self) -> int:
        """Parts into which weights, gradients and moments are cut."""
        return self.processes if self.sharded else 1

    @property
    def replicated(self) -> bool:
        """DDP, whose gradients stay in the buffers that travel."""
        return self.processes > 1 and not self.sharded

    @property
    def words(self) -> str:
        """For people."""
        if self.processes == 1:
            return "one process"
        return f"one of {self.processes} processes ({'FSDP2' if self.sharded else 'DDP'})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """How the policy is kept."""

    computed: int
    """Bytes a number of what is computed with and does not learn."""
    apart: bool
    """Whether what learns cannot be sampled from: it is sharded, adapted or not of the engine's precision."""
    networks: int = 0
    """Bytes of what learns and of its copies, once all of it is there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What one purpose needs."""

    name: str
    bytes: int
    phases: tuple[Phase, ...] = ALWAYS
    made_of: str
    """How it comes about, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryForecast:
    """Of one process on one device."""

    parts: tuple[Part, ...]
    place: Place
    longest: int
    """T"""

    def during(self, phase: Phase) -> int:
        """Bytes held in it."""
        return sum(part.bytes for part in self.parts if phase in part.phases)

    @property
    def peak(self) -> int:
        """Of the phase that holds most."""
        return max(self.during(phase) for phase in ALWAYS)


def in_words(size: int) -> str:
    """Bytes, for people."""
    return f"{size / GIB:,.2f} GiB" if size >= GIB else f"{size / MIB:,.1f} MiB"
