"""One ledger for all that sampling holds: whatever is kept, copied or made for a step counts against one budget.

In tokens, of which each has keys and values in all layers:

    kept trajectories, and room for those that will be      `Trie`, at most half of the budget
    prompts that may be wanted again                        `Trie`, until there is no room for rows beside them
    trunks that were prefilled for waiting rows             once, and what they begin with alike once for all
    the forest: trunks side by side, padded                 once more; what all begin with once for all
    branches: laid out anew they go back and forth          twice, at their full length
    logits of a row, and what it takes in a pass            V numbers; `passing.activation_bytes`
    attention scores of a row                               over trunk and branch, in all heads; see `attention`
    a prefill pass, or the law's copies, never both         whichever is larger

Where passes are recorded (`recorded`), the forest and the branches lie in one stretch of memory, of rounded shapes,
which stays when it is larger than needed; while rows are laid out anew, what they have written is copied aside.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from vineppo.engines.prefixes import TokenIds
from vineppo.engines.torch.buckets import Shape
from vineppo.engines.torch.trie import Trie
from vineppo.engines.torch.trunks import Piece, Trunk, length_of, shared_by

LAW_BYTES = 44
"""A number of the law, at its peak: logits, sorted, ordered, their softmax and sums, some in float64."""
ROW_SCORES, SLOT_SCORES = 3, 2
"""Copies of a row's scores at the peak: over trunk and branch, raw and as weights; and among the rows of its trunk."""
PASS_SHARE = 8
"""A prefill pass and the law's copies may each take such a part of the budget."""


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What there is besides the keys and values of trunks side by side and of branches, which cost 1."""

    branches: int = 1
    """Copies of each branch."""
    prefilled: int = 0
    """Copies of each trunk besides the forest's."""
    row: int = 0
    """Of each row."""
    step: int = 0
    """Of the largest pass that is made."""
    passing: float = 1.0
    """Of each token of a prefill pass."""
    score: float = 0.0
    """Of the attention scores of a row with one token, in all heads of a layer."""
    room: int = 0
    """Columns that branches get ahead of need."""
    rounded: bool = False
    """Whether passes are recorded."""


class Load:
    """What some rows come to; rows are added one by one."""

    def __init__(self, prices: Prices, trie: Trie, *, held: int = 0, columns: int = 0):
        """held: by the present layout. columns: that the rows which decode have written."""
        self._prices, self._trie, self._held, self._columns = prices, trie, held, columns
        self._trunks: Counter[Trunk] = Counter()
        """Rows of each."""
        self.pieces = set[Piece]()
        """What these rows use, or will."""
        self._ends: tuple[TokenIds, TokenIds] = (), ()
        """The first and the last trunk in lexicographic order."""
        self._longest = self._shared = self._prefilled = self._reserved = self._rows = self._most = 0
        self._width = columns

    def add(self, trunk: Trunk, *, width: int, reserve: int) -> None:
        """A row: its trunk, the columns its branch will come to, and what will be kept of it."""
        if trunk not in self._trunks:
            self._longest = max(self._longest, len(trunk.tokens))
            least, greatest = self._ends if self._trunks else (trunk.tokens, trunk.tokens)
            self._ends = min(least, trunk.tokens), max(greatest, trunk.tokens)
            self._shared = shared_by(*self._ends, len(self._trunks) + 1)
            self._prefilled += self._more(trunk)
        self._trunks[trunk] += 1
        self._most = max(self._most, self._trunks[trunk])
        self._rows += 1
        self._width = max(self._width, width)
        self._reserved += reserve

    def _more(self, trunk: Trunk) -> int:
        """Tokens that a trunk holds, or will, and neither the trie nor one before it does.

        What it will have in common with others once it is prefilled is not known yet, but for what is known of it now.
        """
        pieces = self._trie.beginning(trunk.tokens) if trunk.pieces is None else trunk.pieces
        new = {piece for piece, _ in pieces} - self.pieces
        self.pieces |= new
        held = sum(piece.length for piece in new if not self._trie.has(piece))
        return held + len(trunk.tokens) - length_of(pieces)

    @property
    def laid_out(self) -> int:
        """Trunks side by side and branches, also while they are laid out anew."""
        if self._prices.rounded:
            return max(self.stretch, self._held) + self._rows * self._width
        return self._shared + len(self._trunks) * (self._longest - self._shared) + self.branches

    @property
    def branches(self) -> int:
        """What they may come to; those of the present layout are held while the next is made."""
        full = self._prices.branches * self._rows * (self._width + self._prices.room)
        return max(full, self._held + self._rows * (self._columns + self._prices.room))

    @property
    def stretch(self) -> int:
        """Trunks and branches of rounded shapes."""
        return self._shape.tokens if self._rows else 0

    @property
    def _shape(self) -> Shape:
        return Shape.around(
            groups=len(self._trunks),
            slots=self._most,
            trunk=self._longest,
            rows=self._rows,
            columns=self._width + self._prices.room,
        )

    @property
    def tokens(self) -> int:
        """All of it."""
        left = self._trie.max_kept - self._trie.kept_tokens
        rows = self._shape.rows if self._prices.rounded else self._rows
        alone = ceil(self._prices.passing * self._longest) if self._prices.prefilled else 0
        return (
            self._trie.tokens
            + min(self._reserved, left)
            + self._prices.prefilled * self._prefilled
            + self.laid_out
            + rows * self._prices.row
            + self._scores
            + max(self._prices.step, alone)
        )

    @property
    def _scores(self) -> int:
        """Rows meet their trunks side by side, as many for each as the fullest one has; see `Branching.with_trunks`."""
        if not self._rows:
            return 0
        if self._prices.rounded:
            shape = self._shape
            rows, slots, length, shared = shape.rows, shape.groups * shape.slots, shape.trunk + shape.columns, 0
        else:
            rows, slots, shared = self._rows, len(self._trunks) * self._most, self._shared
            length = self._longest + self._width + self._prices.room
        met = SLOT_SCORES * (slots * (length - shared) + rows * shared)
        return ceil(self._prices.score * (ROW_SCORES * rows * length + met))


def distinct(trunks: Iterable[Trunk]) -> list[Trunk]:
    """In order, each once."""
    return list(dict.fromkeys(trunks))
