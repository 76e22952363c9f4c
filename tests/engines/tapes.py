"""Recording a pass on a CPU: what a CUDA graph would hold, checked for what a CUDA graph cannot do."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

WAITING = {"item", "_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "equal", "_unique2"}
"""Operations that tell the host something, so that a GPU would have to be waited for."""


class Tape(TorchDispatchMode):
    """Every operation, with the very tensors that it read and made. They are kept, so no address is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], Any]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        by_mask = func.__name__.startswith("index") and any(
            isinstance(leaf, Tensor) and leaf.dtype == torch.bool for leaf in tree_leaves(args[1:2])
        )
        if func.__name__.split(".")[0] in WAITING or by_mask:
            raise RuntimeError(f"{func} waits for the host")
        made = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, made))
        return made

    @property
    def names(self) -> list[str]:
        """Of the operations."""
        return [str(func) for func, *_ in self.operations]

    def given(self) -> Iterator[Tensor]:
        """What was read and is not of the tape's own making."""
        own: set[int] = set()
        for _, args, kwargs, made in self.operations:
            for leaf in tree_leaves((args, kwargs)):
                if isinstance(leaf, Tensor) and id(leaf) not in own:
                    yield leaf
            own |= {id(leaf) for leaf in tree_leaves(made)}

    def replay(self, result: Tensor) -> Tensor:
        """Do exactly these operations again; what `result` is now."""
        new: dict[int, Any] = {}

        def now(leaf: Any) -> Any:
            return new.get(id(leaf), leaf)

        for func, args, kwargs, made in self.operations:
            again = func(*tree_map(now, args), **tree_map(now, kwargs))
            new |= {id(old): leaf for old, leaf in zip(tree_leaves(made), tree_leaves(again), strict=True)}
        return now(result)


class TapeCapture:
    """A `Capture` that replays operations one by one, with nothing of Python between them.

    Work is recorded twice: it must do the same both times, and read the same memory, all of it made before.
    """

    def __init__(self) -> None:
        self.forgotten = 0

    def forget(self) -> None:
        """Counted."""
        self.forgotten += 1

    def record(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """See `Capture`."""
        first, second = Tape(), Tape()
        with first:
            work()
        with second:
            result = work()
        assert first.names == second.names
        places = [[given.data_ptr() for given in tape.given()] for tape in (first, second)]
        assert places[0] == places[1], "a pass reads what was made for it alone, which stays where it is for once only"
        given = list(second.given())

        def replay() -> Tensor:
            assert [own.data_ptr() for own in given] == places[1], "what a recording reads has moved"
            return second.replay(result)

        return replay
