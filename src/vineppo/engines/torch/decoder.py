"""The model's passes over rows laid out side by side: what a batch asks for, and the plain way to do it."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import Cache, PreTrainedModel

from vineppo.engines.torch.attention import Branching
from vineppo.engines.torch.branches import BranchCache
from vineppo.engines.torch.forest import Forest, Layout
from vineppo.engines.torch.law import CHUNK, draw_tokens
from vineppo.engines.torch.ledger import distinct
from vineppo.engines.torch.trunks import Trunk
from vineppo.types import Sampling

Drawn = tuple[np.ndarray, np.ndarray]
"""[B] tokens and their log-probs under the sampling law."""


@runtime_checkable
class Decoder(Protocol):
    """Holds trunks and branches of B rows, and runs the model over them. All rows end at the same column."""

    @property
    def columns(self) -> int:
        """Of the branches, written so far."""
        ...

    @property
    def capacity(self) -> int:
        """Columns that fit."""
        ...

    @property
    def held(self) -> int:
        """Tokens that the present layout takes, used or not: what a new one is made beside."""
        ...

    def lay_out(
        self,
        trunks: Sequence[Trunk],
        starts: np.ndarray,
        first: np.ndarray,
        going: np.ndarray,
        *,
        skip: int,
        room: int,
        most: int | None,
    ) -> None:
        """Row b leaves trunks[b] after its first starts[b] tokens, and its branch begins at column first[b].

        The first rows are the `going` ones of before without their first `skip` columns; the others are new. At least
        `room` columns are free. most: tokens that may be held afterwards, if less does.
        """
        ...

    def first_logits(self, trunks: Sequence[Trunk], last: np.ndarray, tokens: np.ndarray) -> Float[Tensor, "N V"]:
        """After N states: tokens[n] is at last[n] of trunks[n], which are among those laid out.

        A state's last token is in its trunk already; it is fed again for its logits, as a branch of one token.
        """
        ...

    def draw_next(self, tokens: np.ndarray, positions: np.ndarray, uniforms: np.ndarray) -> Drawn:
        """Feed [B] tokens at these positions, take down their keys and values, and draw what follows each."""
        ...

    def branch(self, row: int, columns: slice) -> Float[Tensor, "S H C D"]:
        """A view of what a row has written."""
        ...

    def trim(self, most: int) -> None:
        """Before rows are laid out where there are none: hold at most so many tokens."""
        ...

    def clear(self) -> None:
        """No rows are left."""
        ...


class PlainDecoder:
    """Every layout gets memory of its own, exactly as much as it needs; every kernel is launched from Python."""

    def __init__(self, model: PreTrainedModel, sampling: Sampling, *, law: int = CHUNK):
        """law: numbers of the law that are made at once."""
        self._model, self._sampling, self._law = model, sampling, law
        self._forest: Forest | None = None
        self._layout: Layout | None = None
        self._branches: BranchCache | None = None
        self._first = np.zeros(0, dtype=np.int64)

    @property
    def columns(self) -> int:
        """Of the branches, written so far."""
        return 0 if self._branches is None else self._branches.columns

    @property
    def capacity(self) -> int:
        """Columns that fit."""
        return 0 if self._branches is None else self._branches.planes.shape[3]

    @property
    def held(self) -> int:
        """Of the branches."""
        return 0 if self._branches is None else self._branches.held

    def clear(self) -> None:
        """No rows are left."""
        self._branches = self._layout = self._forest = None

    def trim(self, most: int) -> None:
        """Without rows it holds nothing."""

    def lay_out(
        self,
        trunks: Sequence[Trunk],
        starts: np.ndarray,
        first: np.ndarray,
        going: np.ndarray,
        *,
        skip: int,
        room: int,
        most: int | None,
    ) -> None:
        """See `Decoder`."""
        self._first, wanted = first, distinct(trunks)
        if self._forest is None or self._forest.trunks != wanted:
            self._forest = self._layout = None  # the old one goes before the new one is made
            self._forest = Forest(wanted)
        self._layout = self._forest.layout(trunks, starts)
        branches = BranchCache.empty(self._forest.planes) if self._branches is None else self._branches
        self._branches = branches.relaid(going, skip=skip, newcomers=len(trunks) - len(going), room=room, most=most)

    def first_logits(self, trunks: Sequence[Trunk], last: np.ndarray, tokens: np.ndarray) -> Float[Tensor, "N V"]:
        """See `Decoder`."""
        assert self._forest is not None, "lay_out made it"
        layout = self._forest.layout(trunks, last)
        branch = BranchCache.empty(self._forest.planes).relaid(np.zeros(0, np.int64), newcomers=len(last), room=1)
        return self._logits(tokens, branch, layout.branching(branch, positions=last, first=np.zeros_like(last)))

    def draw_next(self, tokens: np.ndarray, positions: np.ndarray, uniforms: np.ndarray) -> Drawn:
        """See `Decoder`."""
        assert self._branches is not None, "lay_out made them"
        assert self._layout is not None, "lay_out made it"
        branching = self._layout.branching(self._branches, positions=positions, first=self._first)
        logits = self._logits(tokens, self._branches, branching)
        return draw_tokens(logits, self._sampling, uniforms, chunk=self._law)

    def branch(self, row: int, columns: slice) -> Float[Tensor, "S H C D"]:
        """See `Decoder`."""
        assert self._branches is not None, "lay_out made them"
        return self._branches.planes[:, row, :, columns]

    def _logits(self, tokens: np.ndarray, branches: BranchCache, branching: Branching) -> Float[Tensor, "B V"]:
        return next_logits(self._model, torch.from_numpy(tokens).to(self._model.device), branches, branching)


def next_logits(
    model: PreTrainedModel, tokens: Int[Tensor, " B"], branches: Cache, branching: Branching
) -> Float[Tensor, "B V"]:
    """After one more token a row."""
    return model(
        input_ids=tokens[:, None],
        position_ids=branching.positions[:, None],
        past_key_values=branches,
        use_cache=True,
        branching=branching,
    ).logits[:, -1]
