"""What an answer can be. Expressions are trees; everything else is made of them."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias


class UnreadableError(Exception):
    """The reader does not understand an answer; its message says where it stopped."""


@dataclass(frozen=True, slots=True)
class Expr:
    """A node: an operation on parts, or a leaf (a number, a constant, a name)."""

    op: str
    parts: tuple["Expr", ...] = ()
    leaf: Fraction | str = ""
    places: int | None = None
    """Of a number written with a decimal point: digits after it. Such a number may have been rounded."""
    split: tuple[int, ...] = ()
    """Of a number written with commas (144,729): its groups, for it may be a list."""


def number(value: Fraction | int) -> Expr:
    """An exact number."""
    return Expr("number", leaf=Fraction(value))


@dataclass(frozen=True, slots=True)
class Value:
    """A number or an expression, perhaps with a unit."""

    expr: Expr
    unit: str = ""
    """Canonical; `percent` and `degree` too."""


@dataclass(frozen=True, slots=True)
class Words:
    """Text that is compared as text."""

    text: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The letter of a multiple choice, and what was written after it."""

    letter: str
    rest: str


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day with its half: `6:40 p.m.`"""

    hour: int
    minute: int
    half: str


@dataclass(frozen=True, slots=True)
class Based:
    """A number in a base that was named: `2516_8`."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Ratio:
    """`2:1`, of any length."""

    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Several answers; their order is free. `braces`: written as a set."""

    items: tuple["Form", ...]
    braces: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """`(a, b)`, `[a, b)`: a tuple, or an interval where there are two; the order counts, and so do the brackets."""

    items: tuple["Form", ...]
    brackets: str = "()"


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`; a single point has both, closed."""

    low: Expr
    high: Expr
    brackets: str


@dataclass(frozen=True, slots=True)
class Region:
    """A union of intervals and points, perhaps said of a variable."""

    variable: str
    pieces: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of expressions."""

    rows: tuple[tuple[Expr, ...], ...]


@dataclass(frozen=True, slots=True)
class Label:
    """`name = form`; of a function, `arguments` are the names it was written with."""

    name: str
    arguments: tuple[str, ...]
    form: "Form"


@dataclass(frozen=True, slots=True)
class Chain:
    """`a < b <= c`, `a = b`: sides and the relations between them, none of which could be made anything simpler."""

    sides: tuple[Expr, ...]
    relations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Congruence:
    """`left = right` modulo `modulus`."""

    left: Expr
    right: Expr
    modulus: Expr


Form: TypeAlias = (
    Value | Words | Choice | Clock | Based | Ratio | Listing | Row | Region | Matrix | Label | Chain | Congruence
)
