"""The value of an expression at a point, by floats or by mpmath at its present precision.

Sizes are bounded before anything is computed: see `work`.
"""

import cmath
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from zlib import crc32

import mpmath

from vineppo.tasks.judge.answers.exact import exact
from vineppo.tasks.judge.answers.forms import Expr, UnreadableError
from vineppo.tasks.judge.answers.work import TooLargeError, spend

MOST_EXPONENT = 1e6
MOST_FACTORIAL = 1e5
MOST_TERMS = 200
LOGARITHM = 0.8537041215
"""A logarithm without its base is some multiple of the natural one: no base that anybody uses."""

Point = Mapping[str, Any]
"""The values of names."""


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
    spend(1)
    match expr.op:
        case "number":
            return with_.number(expr.leaf)
        case "name" | "constant":
            return named(str(expr.leaf), point, with_)
        case "big":
            return big_value(expr, point, with_)
        case "determinant":
            return determinant([[evaluate(cell, point, with_) for cell in row.parts] for row in expr.parts])
    parts = [evaluate(part, point, with_) for part in expr.parts]
    if expr.op in ("call", "apply"):
        return call(expr, parts, with_) if expr.op == "call" else apply(expr, parts, with_)
    return operate(expr.op, parts, with_)


def named(name: str, point: Point, with_: Arithmetic) -> Any:
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
            raise UnreadableError(f"{name} has no value within an expression")


def operate(op: str, parts: list[Any], with_: Arithmetic) -> Any:
    """Arithmetic."""
    if op not in OPERATIONS:
        raise UnreadableError(f"{op} has no value")
    return OPERATIONS[op](with_, *parts)


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
    spend(20)
    return with_.gamma(value + 1)


def call(expr: Expr, parts: list[Any], with_: Arithmetic) -> Any:
    """A function of analysis; one that has no value of its own gets one that is made up."""
    name = str(expr.leaf)
    if name in ("log", "lg") and len(parts) == 2:
        return with_.functions.log(parts[0]) / with_.functions.log(parts[1])
    if name in ("abs", "floor", "ceil"):
        return operate(name, parts, with_)
    return FUNCTIONS[name](with_.functions, parts[0]) if name in FUNCTIONS else opaque(name, parts, with_)


def bounded(inner: Any) -> Any:
    """An argument of a periodic or exponential function that loses no precision."""
    if abs(inner) > MOST_EXPONENT:
        raise TooLargeError("an argument too large to compute")
    spend(5)
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


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda _, left, right: left + right,
    "mul": lambda _, left, right: left * right,
    "div": lambda _, left, right: left / right,
    "neg": lambda _, inner: -inner,
    "pow": lambda with_, base, exponent: power(base, exponent, with_),
    "root": lambda with_, inner, index: root(inner, index, with_),
    "abs": lambda _, inner: abs(inner),
    "percent": lambda _, inner: inner / 100,
    "degree": lambda with_, inner: inner * with_.pi() / 180,
    "factorial": lambda with_, inner: factorial(inner, with_),
    "binomial": lambda with_, above, below: (
        factorial(above, with_) / (factorial(below, with_) * factorial(above - below, with_))
    ),
    "floor": lambda with_, inner: with_.number(rounded("floor", inner)),
    "ceil": lambda with_, inner: with_.number(rounded("ceil", inner)),
}
FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "sin": lambda f, x: f.sin(bounded(x)),
    "cos": lambda f, x: f.cos(bounded(x)),
    "tan": lambda f, x: f.tan(bounded(x)),
    "cot": lambda f, x: 1 / f.tan(bounded(x)),
    "sec": lambda f, x: 1 / f.cos(bounded(x)),
    "csc": lambda f, x: 1 / f.sin(bounded(x)),
    "exp": lambda f, x: f.exp(bounded(x)),
    "arcsin": lambda f, x: f.asin(x),
    "arccos": lambda f, x: f.acos(x),
    "arctan": lambda f, x: f.atan(x),
    "arccot": lambda f, x: f.atan(1 / x),
    "sinh": lambda f, x: f.sinh(bounded(x)),
    "cosh": lambda f, x: f.cosh(bounded(x)),
    "tanh": lambda f, x: f.tanh(bounded(x)),
    "ln": lambda f, x: f.log(x),
    "log": lambda f, x: f.log(x) * LOGARITHM,
    "lg": lambda f, x: f.log(x) / f.log(10),
}
