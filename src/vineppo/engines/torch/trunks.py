"""Trunks: token sequences whose keys and values are held once. Every prefix is a state that rollouts start from.

Keys and values lie in pieces, which make a trie of token ids: trunks that begin alike have the pieces of that in
common, and a trajectory that is kept has those of its prompt, and one of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from vineppo.attending.shared import common_prefix
from vineppo.engines.prefixes import TokenIds

SHARED = 64
"""Tokens that several trunks begin with and hold once. Fewer take as long either way: the matrix product of their own
costs what the smaller copies save."""


@dataclass(eq=False, frozen=True, slots=True)
class Piece:
    """Keys and values of tokens in a row."""

    planes: Float[Tensor, "S H T D"]
    """Of S = 2 x layers."""

    @property
    def length(self) -> int:
        """T"""
        return self.planes.shape[2]


Pieces = tuple[tuple[Piece, int], ...]
"""One after the other, and how many of its first tokens are meant."""


class Trunk:
    """A token sequence and, once they are needed, its keys and values."""

    def __init__(self, tokens: TokenIds, pieces: Pieces | None = None, *, cuts: tuple[int, ...] = ()):
        """cuts: after so many tokens others leave it, so that a piece should end there."""
        self.tokens, self.pieces, self.cuts = tokens, pieces, cuts


def present(trunk: Trunk) -> Pieces:
    """The keys and values of a trunk that has them."""
    assert trunk.pieces is not None, "trunks are prefilled before their rows decode"
    return trunk.pieces


def planes_like(trunk: Trunk) -> Float[Tensor, "S H T D"]:
    """Some of its keys and values, to make more of the kind."""
    return present(trunk)[0][0].planes


def copy_into(planes: Float[Tensor, "S H T D"], trunk: Trunk, span: slice) -> None:
    """The keys and values of a span of its tokens, from the first column on."""
    at = -span.start
    for piece, used in present(trunk):
        first, last = max(0, -at), min(used, span.stop - span.start - at)
        if first < last:
            planes[:, :, at + first : at + last] = piece.planes[:, :, first:last]
        at += used


def shared_by(first: TokenIds, last: TokenIds, trunks: int, *, least: int = SHARED) -> int:
    """How many tokens trunks hold once side by side: those that all begin with, if they are so many that a matrix
    product of their own is worth it. first, last: of the trunks, in lexicographic order.
    """
    length = common_prefix(first, last)
    return length if trunks == 1 or length >= least else 0


def length_of(pieces: Pieces) -> int:
    """Tokens that are meant."""
    return sum(used for _, used in pieces)


def first_of(pieces: Pieces, length: int) -> Iterator[tuple[Piece, int]]:
    """Those of the first so many tokens."""
    for piece, used in pieces:
        if length > 0:
            yield piece, min(used, length)
        length -= used
