"""What is decoded when: the rows that wait, their order, and how many fit. Pure, and knows nothing of models."""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from vineppo.engines.prefixes import TokenIds
from vineppo.engines.torch.ledger import Load, Prices
from vineppo.engines.torch.trie import Trie
from vineppo.engines.torch.trunks import Trunk


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One continuation to decode."""

    request: int
    draw: int
    """The draw-th continuation of the request-th request."""
    shares: int
    """The law of the first token is cut into so many equal shares, of which this row has the draw-th; 1: it has all."""
    prefix: TokenIds
    trunk: Trunk
    """Starts with the prefix."""
    seed: int
    limit: int
    """Most new tokens."""
    forbidden_first: tuple[int, ...]
    written: TokenIds = ()
    """The part of the response that the prefix holds."""
    keep: bool
    """Whether its keys and values should be kept when it finishes."""

    @property
    def expected(self) -> int:
        """New tokens to expect: as many as the trajectory still had from here, else the limit.

        A trunk that ends with the prefix says nothing about what follows.
        """
        rest = len(self.trunk.tokens) - len(self.prefix)
        return min(rest + 1, self.limit) if rest else self.limit


def in_order(rows: Sequence[Row]) -> deque[Row]:
    """Trunk after trunk, the longest expected work first, so that no long row is left to decode alone at the end."""
    longest: dict[Trunk, int] = {}
    for row in rows:
        longest[row.trunk] = max(longest.get(row.trunk, 0), row.expected)
    trunks = {trunk: place for place, trunk in enumerate(sorted(longest, key=lambda trunk: -longest[trunk]))}
    return deque(
        sorted(rows, key=lambda row: (trunks[row.trunk], -row.expected, len(row.prefix), row.request, row.draw))
    )


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What may be decoded side by side."""

    rows: int
    tokens: int
    """All that is held, in keys and values of a token; see `ledger`."""
    prices: Prices = field(default_factory=Prices)
    trie: Trie = field(default_factory=lambda: Trie(max_kept=0))

    def take(self, waiting: deque[Row], going: Sequence[Row], columns: int, *, held: int = 0) -> list[Row]:
        """Remove from `waiting` the rows that may join those that decode, whose branches have `columns` columns and
        whose layout holds `held`. Prompts that nobody uses make room for them.

        One row may always decode, whatever it needs.
        """
        taken: list[Row] = []
        load = self._load(going, columns, 0 if self.prices.rounded and not going else held)
        self.trie.trim(in_use=load.pieces)
        while waiting and len(going) + len(taken) < self.rows:
            _add(load, waiting[0], columns + waiting[0].expected)
            alone = not going and not taken
            excess = load.tokens - self.tokens
            if excess > 0 and (alone or excess <= self.trie.idle(load.pieces)):
                self.trie.drive_out(excess, in_use=load.pieces)
                excess = load.tokens - self.tokens
            if excess > 0 and not alone:
                break
            taken.append(waiting.popleft())
        return taken

    def fitting(self, going: Sequence[Row], width: int, *, held: int = 0) -> int:
        """How many of these rows, the oldest first, may have branches of this width: at least one. Prompts that nobody
        uses make room for them."""

        def load_of(count: int) -> Load:
            load = Load(self.prices, self.trie, held=held, columns=max(0, width - self.prices.room))
            for row in going[:count]:
                _add(load, row, width - self.prices.room)
            return load

        def too_many(count: int) -> bool:
            return load_of(count).tokens > self.tokens

        everybody = load_of(len(going))
        self.trie.drive_out(everybody.tokens - self.tokens, in_use=everybody.pieces)
        if everybody.tokens <= self.tokens:
            return len(going)
        return max(1, bisect_left(range(1, len(going) + 1), True, key=too_many))

    def most_held(self, rows: Sequence[Row], columns: int) -> int:
        """By the layout of these rows: their branches at full length, or, of a stretch that stays, what all else leaves
        of the budget."""
        load = self._load(rows, columns, 0)
        if self.prices.rounded:
            return max(load.stretch, self.tokens - (load.tokens - load.stretch))
        return load.branches

    def _load(self, going: Sequence[Row], columns: int, held: int) -> Load:
        load = Load(self.prices, self.trie, held=held, columns=columns)
        for row in going:
            _add(load, row, row.expected)
        return load


def _add(load: Load, row: Row, width: int) -> None:
    load.add(row.trunk, width=width, reserve=row.limit if row.keep else 0)
