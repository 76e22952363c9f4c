"""Shapes rounded up, so that few differ: each is recorded once and replayed often. Pure."""

from dataclasses import dataclass

LEAST_SLOTS, LEAST_TRUNK, LEAST_ROWS, LEAST_COLUMNS = 4, 64, 8, 32


def power_of_two(number: int, least: int = 1) -> int:
    """The smallest that is neither below `number` nor below `least`."""
    return 1 << (max(number, least) - 1).bit_length()


def bucket(number: int, least: int = 1) -> int:
    """The smallest of 1, 2, 3, 4, 6, 8, 12, 16, 24 ... that is neither below `number` nor below `least`.

    Less than half as much again, and a sixth more on average.
    """
    number = max(number, least)
    power = power_of_two(number)
    return power * 3 // 4 if power >= 4 and number <= power * 3 // 4 else power


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
        """The smallest bucket. Trunks are met in one product and held once, so that rounding them up costs little."""
        return cls(
            groups=power_of_two(groups),
            slots=power_of_two(slots, LEAST_SLOTS),
            trunk=power_of_two(trunk, LEAST_TRUNK),
            rows=bucket(rows, LEAST_ROWS),
            columns=bucket(columns, LEAST_COLUMNS),
        )

    @property
    def tokens(self) -> int:
        """Whose keys and values are held."""
        return self.groups * self.trunk + self.rows * self.columns
