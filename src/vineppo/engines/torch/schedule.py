"""What is decoded when: the rows that wait, their order, and how many fit. Pure, and knows nothing of models."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.engines.torch.trunks import TokenIds, Trunk


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
    """Whose keys and values are held: those of trunks, and those of branches, padding included."""

    def take(self, waiting: deque[Row], going: Sequence[Row], columns: int) -> list[Row]:
        """Remove from `waiting` the rows that may join those that decode, whose branches have `columns` columns.

        One row may always decode, whatever it needs.
        """
        taken: list[Row] = []
        trunks = {row.trunk for row in going}
        longest = max((len(trunk.tokens) for trunk in trunks), default=0)
        width = max([columns, *(row.expected for row in going)])
        while waiting and len(going) + len(taken) < self.rows:
            row = waiting[0]
            trunks.add(row.trunk)
            longest = max(longest, len(row.trunk.tokens))
            width = max(width, columns + row.expected)
            rows = len(going) + len(taken) + 1
            if rows > 1 and len(trunks) * longest + rows * width > self.tokens:
                break
            taken.append(waiting.popleft())
        return taken

    def fitting(self, going: Sequence[Row], width: int) -> int:
        """How many of these rows, the oldest first, may have branches of this width: at least one."""
        trunks = {row.trunk for row in going}
        held = len(trunks) * max(len(trunk.tokens) for trunk in trunks)
        return max(1, min(len(going), (self.tokens - held) // width))
