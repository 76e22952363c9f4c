"""Decoder of the model recorded once and replayed: on a GPU, launching a pass's kernels takes longer than running them.

A recording is a list of kernels and the addresses they read and write. So everything that a pass reads lies in memory
that stays where it is, everything that changes from pass to pass is a tensor there, and no kernel waits for the host.
"""

import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable
from warnings import catch_warnings, filterwarnings

import torch
from torch import Tensor
from transformers import PreTrainedModel

from vineppo.engines.torch.buffers import Buffers, Stretch
from vineppo.errors import UserError

MOST = 64
"""Recordings that are kept, the last used ones."""
RECORDING_BYTES = 8 * 2**20
"""Of the GPU's memory, for the kernels of one and their arguments."""

Work = Callable[[], Tensor]


@runtime_checkable
class Capture(Protocol):
    """How a pass is recorded."""

    def record(self, work: Work) -> Work:
        """What does the same as `work` does now, at the same addresses; its result is overwritten by the next replay.

        `work` may be called any number of times. Raises RuntimeError for work that cannot be recorded.
        """
        ...

    def forget(self) -> None:
        """Every recording has been dropped."""
        ...


class CudaCapture:
    """CUDA graphs. What passes need besides their buffers is one pool of memory for all of them: they never overlap."""

    def __init__(self, device: torch.device):
        self._stream = torch.cuda.Stream(device)
        self.forget()

    def forget(self) -> None:
        """A pool whose recordings are gone must not be used again."""
        self._pool = torch.cuda.graph_pool_handle()

    def record(self, work: Work) -> Work:
        """See `Capture`. What would wait for the host is found before recording begins, which it would spoil."""
        with _without_waiting():
            work()
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                made = work()
            finally:
                graph.capture_end()
        current.wait_stream(self._stream)

        def replay() -> Tensor:
            graph.replay()
            return made

        return replay


@contextmanager
def _without_waiting() -> Iterator[None]:
    """What would wait for the host raises RuntimeError."""
    before = torch.cuda.get_sync_debug_mode()
    with catch_warnings():
        filterwarnings("ignore", "Synchronization debug mode")  # "does not yet detect all": recording finds the rest
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


def choose_capture(device: torch.device, wanted: bool | None) -> Capture | None:
    """How passes are recorded on a device; None: not at all. wanted: `engine.compile`.

    Raises UserError where it was asked for and there is no GPU.
    """
    if device.type == "cuda":
        return None if wanted is False else CudaCapture(device)
    if wanted:
        raise UserError(
            f"engine.compile: true, but the policy is on {device}: decoding steps are recorded as CUDA graphs, which "
            "needs a GPU; set policy.device=cuda, or engine.compile=null to record them where there is one"
        )
    return None


@dataclass(eq=False, kw_only=True, slots=True)
class Recording:
    """Of one shape and kind of pass."""

    buffers: Buffers
    warm: bool = False
    """Whether it ran once."""
    replay: Work | None = None


class Recordings:
    """Of an engine: the last used ones. Whatever moves memory forgets them."""

    def __init__(self, model: PreTrainedModel, capture: Capture | None):
        """capture: None runs every pass anew, in the same buffers."""
        self.rows, self.states = Stretch(), Stretch()
        """Trunks and branches of the rows that decode; the branches of one token that new rows begin with."""
        self.captured = self.replayed = 0
        """How often, in all."""
        self.most = MOST
        """Kept at a time, at least 2: of rows and of the states that some of them begin with."""
        self._model, self._capture = model, capture
        self._known: dict[Hashable, Recording] = {}
        self._weights = self._addresses()

    def __len__(self) -> int:
        return sum(own.replay is not None for own in self._known.values())

    def check_weights(self) -> None:
        """Recordings read weights where they were: an update in place they see, other memory they do not."""
        now = self._addresses()
        if now != self._weights:
            self.forget()
        self._weights = now

    def forget(self) -> None:
        """All of them, and their buffers."""
        self._known.clear()
        if self._capture is not None:
            self._capture.forget()

    def of(self, key: Hashable, make: Callable[[], Buffers]) -> Recording:
        """The one of this key, which is used now; if it is new, `make` makes its buffers."""
        own = self._known.pop(key, None) or Recording(buffers=make())
        self._known[key] = own  # the last used stand last
        while len(self._known) > self.most:
            self._known.pop(next(iter(self._known)))
            if self._capture is not None and not len(self):
                self._capture.forget()
        return own

    def run(self, own: Recording, work: Callable[[Buffers], Tensor]) -> Tensor:
        """Replay it. It is recorded when it comes for the second time: the first has warmed up what it uses."""
        do = partial(work, own.buffers)
        if own.replay is None and own.warm and self._capture is not None:
            own.replay = self._record(self._capture, do)
        own.warm = True
        if own.replay is None:
            return do()
        self.replayed += 1
        return own.replay()

    def _record(self, capture: Capture, work: Work) -> Work | None:
        try:
            replay = capture.record(work)
        except RuntimeError as error:  # of the model's code or of the driver: plain passes can do all the same
            reason = " ".join(str(error).split())[:200]
            name = type(self._model).__name__
            print(
                f"vineppo: decoding steps of {name} cannot be recorded as CUDA graphs ({reason}); each is launched "
                "anew, which is slower; engine.compile=false does so without trying",
                file=sys.stderr,
            )
            self.forget()
            self._capture = None
            return None
        self.captured += 1
        return replay

    def _addresses(self) -> tuple[int, ...]:
        tensors = [*self._model.parameters(), *self._model.buffers()]
        return tuple(tensor.data_ptr() for tensor in tensors)
