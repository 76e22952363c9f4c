"""Rows that decode side by side, each a branch of a trunk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from vineppo.engines.stops import Stops
from vineppo.engines.torch.decoder import Decoder
from vineppo.engines.torch.law import CHUNK, counter_uniforms, draw_tokens
from vineppo.engines.torch.schedule import Row
from vineppo.engines.torch.trunks import TokenIds
from vineppo.types import Finish, Sampling


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """What became of a row."""

    token_ids: TokenIds
    logprobs: tuple[float, ...]
    finish: Finish


OnFinish = Callable[[Row, Decoded, Callable[[], Float[Tensor, "S H C D"]]], None]
"""Called with a finished row, its tokens, and a function that copies their keys and values, but for those of the last
one, which was never fed."""


class Batch:
    """The rows and what they have written; the `decoder` holds the keys and values they need for more.

    All rows end at the same column. Row b's tokens stand in the columns first[b].. of `tokens`; the last of them is fed
    next, and its keys and values go to the same column of the branches. The model must attend in branches
    (`attention.NAME`) while rows begin or step.
    """

    def __init__(
        self,
        decoder: Decoder,
        sampling: Sampling,
        end_ids: Sequence[int],
        on_finish: OnFinish,
        *,
        law: int = CHUNK,
        stops: Stops | None = None,
    ):
        """law: numbers of the law that are made at once. stops: what ends a response besides `end_ids`."""
        self._decoder, self._law, self._stops = decoder, law, stops
        self._sampling, self._end_ids, self._on_finish = sampling, list(end_ids), on_finish
        self.rows: list[Row] = []
        """The oldest first."""
        self._over = np.zeros(0, dtype=bool)
        self._first = np.zeros(0, dtype=np.int64)
        self._tokens = np.zeros((0, 0), dtype=np.int64)
        self._logprobs = np.zeros((0, 0))

    @property
    def going(self) -> list[Row]:
        """The rows that still decode, the oldest first."""
        return [row for row, over in zip(self.rows, self._over, strict=True) if not over]

    @property
    def share_going(self) -> float:
        """How much of the work is not wasted on rows that are over; 0 for an empty batch."""
        return 1 - float(self._over.mean()) if self.rows else 0.0

    @property
    def columns(self) -> int:
        """Columns of the branches that are still needed."""
        going = self._first[~self._over]
        return self._decoder.columns - int(going.min()) if len(going) else 0

    @property
    def is_full(self) -> bool:
        """No further token fits."""
        return bool(self.rows) and self._decoder.columns == self._decoder.capacity

    @property
    def held(self) -> int:
        """Tokens that the present layout takes, of rows that are over, too."""
        return self._decoder.held

    def trim(self, most: int) -> None:
        """Before newcomers are let in where no row decodes: hold at most so many tokens."""
        if not self.going:
            self._decoder.trim(most)

    def lay_out(self, newcomers: Sequence[Row], *, room: int, most: int | None = None) -> None:
        """Drop what is over, let newcomers in, draw their first tokens, and have `room` free columns.

        most: tokens that may be held afterwards, if less does.
        """
        going, columns = np.flatnonzero(~self._over), self.columns
        skip = self._decoder.columns - columns
        self.rows = [*self.going, *newcomers]
        self._over = np.zeros(len(self.rows), dtype=bool)
        if not self.rows:
            self._decoder.clear()
            return
        self._first = np.concatenate([self._first[going] - skip, np.full(len(newcomers), columns)])
        self._starts = np.array([len(row.prefix) for row in self.rows])
        self._limits = np.array([row.limit for row in self.rows])
        self._seeds = np.array([row.seed for row in self.rows], dtype=np.uint64)
        trunks = [row.trunk for row in self.rows]
        self._decoder.lay_out(trunks, self._starts, self._first, going, skip=skip, room=room, most=most)
        shape = (len(self.rows), self._decoder.capacity + 1)
        self._tokens = _enlarged(self._tokens[going, skip:], shape)
        self._logprobs = _enlarged(self._logprobs[going, skip:], shape)
        if newcomers:
            self._begin(newcomers)

    def give_back(self, count: int) -> list[Row]:
        """Stop the youngest `count` rows. Drawn again, they become what they would have become."""
        going = np.flatnonzero(~self._over)
        youngest = going[len(going) - count :]
        self._over[youngest] = True
        return [self.rows[i] for i in youngest]

    def step(self) -> None:
        """One token for every row."""
        column = self._decoder.columns
        # Rows that are over stay for a while; their positions must not run past the model's context.
        fed = np.minimum(column - self._first, self._limits - 1)
        uniforms = counter_uniforms(self._seeds, fed + 1)
        tokens, logprobs = self._decoder.draw_next(self._tokens[:, column], self._starts + fed, uniforms)
        self._write(slice(None), column + 1, tokens, logprobs)

    def _begin(self, newcomers: Sequence[Row]) -> None:
        """Draw the newcomers' first tokens: one forward row for each state, however many rows leave it."""
        states = {(row.trunk, len(row.prefix)): row for row in newcomers}
        place = {state: i for i, state in enumerate(states)}
        last = np.array([length - 1 for _, length in states])
        tokens = np.array([row.prefix[-1] for row in states.values()])
        logits = self._decoder.first_logits([trunk for trunk, _ in states], last, tokens)
        new = slice(len(self.rows) - len(newcomers), None)
        tokens, logprobs = draw_tokens(
            logits,
            self._sampling,
            _first_uniforms(newcomers, self._seeds[new]),
            of=np.array([place[row.trunk, len(row.prefix)] for row in newcomers]),
            forbidden=[row.forbidden_first for row in newcomers],
            chunk=self._law,
        )
        self._write(new, self._decoder.columns, tokens, logprobs)

    def _write(self, rows: slice, column: int, tokens: np.ndarray, logprobs: np.ndarray) -> None:
        """Take down the tokens drawn and report the rows that end with them."""
        self._tokens[rows, column], self._logprobs[rows, column] = tokens, logprobs
        ended = np.isin(self._tokens[:, column], self._end_ids) | self._stopped(column)
        for i in np.flatnonzero(~self._over & (ended | (column + 1 - self._first >= self._limits))):
            self._over[i] = True
            own = slice(int(self._first[i]), column + 1)
            decoded = Decoded(
                token_ids=tuple(self._tokens[i, own].tolist()),
                logprobs=tuple(self._logprobs[i, own].tolist()),
                finish=Finish.TERMINATED if ended[i] else Finish.TRUNCATED,
            )
            self._on_finish(self.rows[i], decoded, partial(self._written, int(i), own))

    def _stopped(self, column: int) -> Bool[np.ndarray, " B"] | bool:
        """The rows whose text has come to a stop string."""
        if self._stops is None:
            return False
        stopped = self._stops.suspects(self._tokens[:, column]) & ~self._over
        for i in np.flatnonzero(stopped):
            new = self._tokens[i, self._first[i] : column + 1].tolist()
            stopped[i] = self._stops.reached([*self.rows[i].written, *new])
        return stopped

    def _written(self, row: int, own: slice) -> Float[Tensor, "S H C D"]:
        """A copy of a row's keys and values, but for those of its last token."""
        return self._decoder.branch(row, slice(own.start, own.stop - 1)).clone()


def _first_uniforms(rows: Sequence[Row], seeds: np.ndarray) -> np.ndarray:
    """[B] each within the row's share of [0, 1)."""
    uniforms = counter_uniforms(seeds, np.zeros(len(rows), dtype=np.int64))
    shares = np.array([row.shares for row in rows])
    place = np.array([row.draw if row.shares > 1 else 0 for row in rows])
    return (place + uniforms) / shares


def _enlarged(array: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The array in the corner of zeros, cut to the shape where it is wider."""
    enlarged = np.zeros(shape, dtype=array.dtype)
    width = min(array.shape[1], shape[1])
    enlarged[: array.shape[0], :width] = array[:, :width]
    return enlarged
