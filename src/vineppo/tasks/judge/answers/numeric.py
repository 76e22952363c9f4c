"""The value of an expression: exact where it is rational, else by floats or by mpmath at a precision that is asked for.

Sizes are bounded before anything is computed, so that no answer can take long: see `TooLargeError`.
"""

import cmath
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from zlib import crc32

import mpmath

from vineppo.tasks.judge.answers.forms import Expr, UnreadableError

MOST_BITS = 60_000
"""Of an exact number: a thousandth of a second of arithmetic."""
MOST_EXPONENT = 1e6
MOST_FACTORIAL = 1e5
MOST_TERMS = 200

Point = Mapping[str, Any]
"""The values of names."""


class TooLargeError(UnreadableError):
    """A value beyond what is computed here."""


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
    return RATIONAL[expr.op](*parts)


def add_exact(left: Fraction, right: Fraction) -> Fraction | None:
    return left + right if bits(left) + bits(right) < MOST_BITS else None


def multiply_exact(left: Fraction, right: Fraction) -> Fraction | None:
    return left * right if bits(left) + bits(right) < MOST_BITS else None


def divide_exact(top: Fraction, bottom: Fraction) -> Fraction | None:
    if bottom == 0:
        raise UnreadableError("a division by zero")
    return top / bottom if bits(top) + bits(bottom) < MOST_BITS else None


def power_exact(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator != 1 or abs(exponent) > MOST_BITS or bits(base) * abs(int(exponent)) > MOST_BITS:
        return None
    if base == 0 and exponent <= 0:
        raise UnreadableError("zero to a power that is not positive")
    return base ** int(exponent)


def factorial_exact(value: Fraction) -> Fraction | None:
    return Fraction(math.factorial(int(value))) if value.denominator == 1 and 0 <= value <= 500 else None


def binomial_exact(above: Fraction, below: Fraction) -> Fraction | None:
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
    "abs": abs,
    "percent": lambda value: value / 100,
    "factorial": factorial_exact,
    "binomial": binomial_exact,
    "floor": lambda value: Fraction(math.floor(value)),
    "ceil": lambda value: Fraction(math.ceil(value)),
}


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Floats, or mpmath at its present precision: the same operations."""

    number: Callable[[Any], Any]
    pi: Callable[[], Any]
    functions: Any
    power: Callable[[Any, Any], Any]
    gamma: Callable[[Any], Any]


def mp_number(value: Any) -> Any:
    """A fraction, rounded once."""
    return mpmath.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else mpmath.mpmathify(value)


def float_power(base: Any, exponent: Any) -> Any:
    """Complex where the base is negative."""
    return complex(base) ** exponent


FLOATS = Arithmetic(
    number=lambda value: complex(float(value)) if isinstance(value, Fraction) else complex(value),
    pi=lambda: math.pi,
    functions=cmath,
    power=float_power,
    gamma=lambda value: math.gamma(value.real) if abs(value.imag) < 1e-12 else complex(mpmath.gamma(value)),
)
PRECISE = Arithmetic(
    number=mp_number, pi=lambda: +mpmath.pi, functions=mpmath.mp, power=mpmath.power, gamma=mpmath.gamma
)


def evaluate(expr: Expr, point: Point, with_: Arithmetic) -> Any:
    """The value at a point. Arithmetic errors are the caller's to catch."""
    match expr.op:
        case "number":
            return with_.number(expr.leaf)
        case "name":
            return with_.number(point[str(expr.leaf)])
        case "constant":
            return constant(str(expr.leaf), point, with_)
        case "big":
            return big_value(expr, point, with_)
        case "call":
            return call(expr, [evaluate(part, point, with_) for part in expr.parts], with_)
        case "apply":
            return apply(expr, [evaluate(part, point, with_) for part in expr.parts], with_)
        case "determinant":
            rows = [[evaluate(cell, point, with_) for cell in row.parts] for row in expr.parts]
            return determinant(rows)
        case _:
            return operate(expr.op, [evaluate(part, point, with_) for part in expr.parts], with_)


def constant(name: str, point: Point, with_: Arithmetic) -> Any:
    """pi, e, i; an index of a sum may be called i."""
    if name in point:
        return with_.number(point[name])
    match name:
        case "pi":
            return with_.pi()
        case "e":
            return with_.functions.exp(with_.number(1))
        case "i":
            return with_.number(1j)
        case _:
            raise UnreadableError("an infinity within an expression")


def operate(op: str, parts: list[Any], with_: Arithmetic) -> Any:
    """Arithmetic."""
    match op, parts:
        case "add", [left, right]:
            return left + right
        case "mul", [left, right]:
            return left * right
        case "div", [left, right]:
            return left / right
        case "neg", [inner]:
            return -inner
        case "pow", [base, exponent]:
            return power(base, exponent, with_)
        case "root", [inner, index]:
            return root(inner, index, with_)
        case "abs", [inner]:
            return abs(inner)
        case "percent", [inner]:
            return inner / 100
        case "degree", [inner]:
            return inner * with_.pi() / 180
        case "factorial", [inner]:
            return factorial(inner, with_)
        case "binomial", [above, below]:
            return factorial(above, with_) / (factorial(below, with_) * factorial(above - below, with_))
        case ("floor" | "ceil"), [inner]:
            return with_.number(rounded(op, inner))
        case _:
            raise UnreadableError(f"{op} has no value")


def rounded(op: str, inner: Any) -> Any:
    """Whole: of a real number, not too close to a jump to be sure."""
    real = real_part(inner)
    nearest = round(real)
    if abs(real - nearest) < 1e-9:
        return int(nearest)
    return math.floor(real) if op == "floor" else math.ceil(real)


def real_part(value: Any) -> float:
    """A real number as a float."""
    plain = complex(value)
    if abs(plain.imag) > 1e-9 * (1 + abs(plain.real)):
        raise ValueError("not real")
    return plain.real


def power(base: Any, exponent: Any, with_: Arithmetic) -> Any:
    """Bounded."""
    if abs(exponent) > MOST_EXPONENT or abs(exponent) * abs(log_size(base)) > 1e8:
        raise TooLargeError("a power too large to compute")
    if base == 0:
        if complex(exponent).real > 0:
            return base
        raise ZeroDivisionError
    return with_.power(base, exponent)


def log_size(value: Any) -> float:
    """The logarithm of its absolute value, whatever its size."""
    return float(mpmath.log(abs(value))) if value != 0 else 0.0


def root(inner: Any, index: Any, with_: Arithmetic) -> Any:
    """Odd roots of negative numbers are real."""
    plain = complex(index)
    if plain.real == 2:
        return with_.functions.sqrt(inner)
    real = complex(inner).imag == 0
    if real and complex(inner).real < 0 and plain.imag == 0 and plain.real % 2 == 1:
        return -power(-inner, 1 / index, with_)
    return power(inner, 1 / index, with_)


def factorial(value: Any, with_: Arithmetic) -> Any:
    """By the gamma function."""
    if abs(value) > MOST_FACTORIAL:
        raise TooLargeError("a factorial too large to compute")
    return with_.gamma(value + 1)


def call(expr: Expr, parts: list[Any], with_: Arithmetic) -> Any:
    """A function of analysis."""
    inner, f = parts[0], with_.functions
    match str(expr.leaf):
        case "sin":
            return f.sin(bounded(inner))
        case "cos":
            return f.cos(bounded(inner))
        case "tan":
            return f.tan(bounded(inner))
        case "exp":
            return f.exp(bounded(inner))
        case "cot":
            return 1 / f.tan(bounded(inner))
        case "sec":
            return 1 / f.cos(bounded(inner))
        case "csc":
            return 1 / f.sin(bounded(inner))
        case "arcsin":
            return f.asin(inner)
        case "arccos":
            return f.acos(inner)
        case "arctan":
            return f.atan(inner)
        case "arccot":
            return f.atan(1 / inner)
        case "ln":
            return f.log(inner)
        case "log" | "lg" if len(parts) == 2:
            return f.log(inner) / f.log(parts[1])
        case "log":
            return f.log(inner) * with_.number(Fraction(7919, 5039))
        case "lg":
            return f.log(inner) / f.log(with_.number(10))
        case "abs":
            return abs(inner)
        case "floor" | "ceil" as op:
            return with_.number(rounded(op, inner))
        case other:
            return hyperbolic(other, bounded(inner), with_)


def hyperbolic(name: str, inner: Any, with_: Arithmetic) -> Any:
    """By exponentials; what is none of them is made up."""
    up, down = with_.functions.exp(inner), with_.functions.exp(-inner)
    match name:
        case "sinh":
            return (up - down) / 2
        case "cosh":
            return (up + down) / 2
        case "tanh":
            return (up - down) / (up + down)
        case _:
            return opaque(name, [inner], with_)


def bounded(inner: Any) -> Any:
    """An argument of a periodic or exponential function that loses no precision."""
    if abs(inner) > MOST_EXPONENT:
        raise TooLargeError("an argument too large to compute")
    return inner


def apply(expr: Expr, parts: list[Any], with_: Arithmetic) -> Any:
    """A function that has no value of its own: one made up, the same for the same arguments."""
    name = str(expr.leaf)
    if name in ("gcd", "lcm", "max", "min"):
        parts = sorted(parts, key=lambda part: (complex(part).real, complex(part).imag))
        if name in ("max", "min") and all(complex(part).imag == 0 for part in parts):
            return parts[-1 if name == "max" else 0]
    return opaque(name, parts, with_)


def opaque(tag: str, parts: list[Any], with_: Arithmetic) -> Any:
    """A made-up value that depends on the name and, smoothly, on the arguments in their order."""
    total = with_.number(Fraction(crc32(tag.encode()) % 9973 + 1, 1009))
    for place, part in enumerate(parts, 1):
        total = total + with_.functions.sin(bounded(part) * with_.number(Fraction(place * 7 + 4, 9))) * total
    return total


def big_value(expr: Expr, point: Point, with_: Arithmetic) -> Any:
    """A sum or a product: term by term where its bounds are numbers, else made up from the bounds and the body."""
    kind, _, index = str(expr.leaf).partition(" ")
    low, high = (evaluate(part, point, with_) for part in expr.parts[:2])
    bounds = [exact(part) for part in expr.parts[:2]]
    body = expr.parts[2]
    if all(bound is not None and bound.denominator == 1 for bound in bounds):
        first, last = (int(bound) for bound in bounds if bound is not None)
        if last - first >= MOST_TERMS:
            raise TooLargeError(f"more than {MOST_TERMS} terms")
        total = with_.number(Fraction(0 if kind == "sum" else 1))
        for k in range(first, last + 1):
            term = evaluate(body, {**point, index: Fraction(k)}, with_)
            total = total + term if kind == "sum" else total * term
        return total
    inner = [evaluate(body, {**point, index: Fraction(at, 17)}, with_) for at in (29, 43)]
    return opaque(kind, [low, high, *inner], with_)


def determinant(rows: list[list[Any]]) -> Any:
    """By the first row; of at most five rows."""
    if len(rows) > 5 or any(len(row) != len(rows) for row in rows):
        raise UnreadableError("a determinant of more than five rows, or of rows of another length")
    if len(rows) == 1:
        return rows[0][0]
    minors = ([row[:at] + row[at + 1 :] for row in rows[1:]] for at in range(len(rows)))
    return sum((-1) ** at * rows[0][at] * determinant(minor) for at, minor in enumerate(minors))
