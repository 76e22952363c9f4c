"""The exact value of an expression of whole numbers, fractions and decimals."""

import math
from collections.abc import Callable
from fractions import Fraction

from vineppo.tasks.judge.answers.forms import Expr, UnreadableError
from vineppo.tasks.judge.answers.work import spend

MOST_BITS = 120_000
"""Of an exact number: some milliseconds of arithmetic. Larger ones are left to mpmath."""


def exact(expr: Expr) -> Fraction | None:
    """The value of a rational expression without names; None for all others."""
    if expr.op == "number":
        assert isinstance(expr.leaf, Fraction), "the lexer gives numbers their value"
        return expr.leaf
    if expr.op not in RATIONAL:
        return None
    parts = []
    for part in expr.parts:
        value = exact(part)
        if value is None:
            return None
        parts.append(value)
    spend(1 + sum(bits(part) for part in parts) // 50)
    return RATIONAL[expr.op](*parts)


def add_exact(left: Fraction, right: Fraction) -> Fraction | None:
    """A sum of numbers that are not too large."""
    return left + right if bits(left) + bits(right) < MOST_BITS else None


def multiply_exact(left: Fraction, right: Fraction) -> Fraction | None:
    """A product of such."""
    return left * right if bits(left) + bits(right) < MOST_BITS else None


def divide_exact(top: Fraction, bottom: Fraction) -> Fraction | None:
    """A quotient of such."""
    if bottom == 0:
        raise UnreadableError("a division by zero")
    return top / bottom if bits(top) + bits(bottom) < MOST_BITS else None


def power_exact(base: Fraction, exponent: Fraction) -> Fraction | None:
    """A power with a whole exponent, not too large."""
    if exponent.denominator != 1 or abs(exponent) > MOST_BITS or bits(base) * abs(int(exponent)) > MOST_BITS:
        return None
    if base == 0 and exponent <= 0:
        raise UnreadableError("zero to a power that is not positive")
    return base ** int(exponent)


def factorial_exact(value: Fraction) -> Fraction | None:
    """Of a whole number, not too large."""
    return Fraction(math.factorial(int(value))) if value.denominator == 1 and 0 <= value <= 500 else None


def binomial_exact(above: Fraction, below: Fraction) -> Fraction | None:
    """The same."""
    whole = above.denominator == 1 and below.denominator == 1 and 0 <= below <= above <= 2000
    return Fraction(math.comb(int(above), int(below))) if whole else None


def bits(value: Fraction) -> int:
    """The size of a fraction."""
    return value.numerator.bit_length() + value.denominator.bit_length()


RATIONAL: dict[str, Callable[..., Fraction | None]] = {
    "add": add_exact,
    "mul": multiply_exact,
    "div": divide_exact,
    "pow": power_exact,
    "neg": lambda value: -value,
    "abs": lambda value: value if value >= 0 else -value,
    "percent": lambda value: value / 100,
    "factorial": factorial_exact,
    "binomial": binomial_exact,
    "floor": lambda value: Fraction(math.floor(value)),
    "ceil": lambda value: Fraction(math.ceil(value)),
}
