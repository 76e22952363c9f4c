"""Shapes rounded up, so that few differ: each is recorded once and replayed often. Pure."""

from dataclasses import dataclass

MANY = 256
"""Rows, from which on a pass takes a GPU longer than launching it: rows too many cost more there than recordings."""
LEAST_SLOTS, LEAST_TRUNK, LEAST_ROWS, LEAST_COLUMNS = 4, 64, 8, 32


def power_of_two(number: int, least: int = 1) -> int:
    """The smallest that is neither below `number` nor below `least`."""
    return 1 << (max(number, least) - 1).bit_length()


def bucket(number: int, least: int = 1) -> int:
    """The smallest of 1, 2, 3, 4, 6, 8, 12 ... 256, 320, 384, 448, 512, 640 ... that is not below `number` and `least`.

    It is less than half as much again, beyond `MANY` less than a quarter.
    """
    number = max(number, least)
    power = power_of_two(number)
    parts = 4 if power > MANY else 2
    step = max(1, power // 2 // parts)
    return -(-number // step) * step


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Of rows that decode side by side and of the trunks they leave."""

    groups: int
    """Trunks."""
    slots: int
    """Rows of a trunk, at most."""
    trunk: int
    """Tokens of a trunk, at most."""
    rows: int
    columns: int
    """Of the branches."""

    @classmethod
    def around(cls, *, groups: int, slots: int, trunk: int, rows: int, columns: int) -> "Shape":
        """The smallest bucket."""
        return cls(
            groups=bucket(groups),
            slots=bucket(slots, LEAST_SLOTS),
            trunk=bucket(trunk, LEAST_TRUNK),
            rows=bucket(rows, LEAST_ROWS),
            columns=bucket(columns, LEAST_COLUMNS),
        )

    @property
    def tokens(self) -> int:
        """Whose keys and values are held."""
        return self.groups * self.trunk + self.rows * self.columns
