"""Whether two expressions are equal: exactly where both are rational, else at random points and two precisions."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any
from zlib import crc32

import mpmath

from vineppo.tasks.judge.answers.exact import exact
from vineppo.tasks.judge.answers.forms import Expr, UnreadableError
from vineppo.tasks.judge.answers.numeric import FLOATS, PRECISE, Arithmetic, Point, evaluate, log_size
from vineppo.tasks.judge.answers.work import TooLargeError, spend

DIGITS = (30, 60)
"""Two precisions: what agrees at the first by cancelling does not at the second. Both are used at the first points."""
SIZES = (1, 1, 3, 20, 2, 8)
"""The largest value of a name at each point: functions have their domains."""
POINTS = len(SIZES)
POSITIVE = 4
"""The first points have positive values for all names, the others negative ones for some."""
ENOUGH = 2
"""Points at which both must be real; where there are fewer, complex values count too."""
LARGE = 1e15
MOST_EXTRA_DIGITS = 1000
DOUBTFUL = 1e-6
"""Floats that differ by more, relatively, are different; all others are computed again."""
FAILURES = (ArithmeticError, ValueError, OverflowError, KeyError, TypeError)
"""What has no value there: a pole, a branch, a size beyond floats."""


def same_value(left: Expr, right: Expr) -> bool:
    """Whether two expressions are equal wherever both are real."""
    ours, theirs = exact(left), exact(right)
    if ours is not None and theirs is not None:
        return ours == theirs
    if infinity(left) or infinity(right):
        return infinity(left) == infinity(right)
    names = sorted(names_of(left) | names_of(right))
    if not names:
        return agree(left, right, {}, complex_too=True) is True
    imaginary = has_i(left) or has_i(right)
    counted = list(agreements(left, right, names, complex_too=imaginary))
    if len(counted) < ENOUGH and all(counted) and not imaginary:
        counted = list(agreements(left, right, names, complex_too=True))
    return len(counted) >= ENOUGH and all(counted)


def agreements(left: Expr, right: Expr, names: list[str], *, complex_too: bool) -> Iterator[bool]:
    """Whether they agree, at each point where both have a value. Ends with the first that differs."""
    for at in range(POINTS):
        digits = DIGITS if at < ENOUGH else DIGITS[:1]
        verdict = agree(left, right, make_point(names, at), complex_too=complex_too, precisions=digits)
        if verdict is not None:
            yield verdict
        if verdict is False:
            return


def agree(
    left: Expr, right: Expr, point: Point, *, complex_too: bool, precisions: Sequence[int] = DIGITS
) -> bool | None:
    """Floats first: they tell most differences in microseconds."""
    small = False
    try:
        rough = [evaluate(side, point, FLOATS) for side in (left, right)]
        small = max(map(abs, rough)) < LARGE
        if clearly_different(*rough):
            return False if complex_too or is_real(*rough) else None
    except FAILURES:
        pass
    extra = 0 if small or not (has_sum(left) or has_sum(right)) else extra_digits(left, right, point)
    verdicts = [agree_at(left, right, point, digits + extra, complex_too=complex_too) for digits in precisions]
    return None if None in verdicts else all(verdicts)


def extra_digits(left: Expr, right: Expr, point: Point) -> int:
    """As many as a sum has before its point: a small term beside a large one must not be lost."""
    try:
        extra = max(int(log_size(evaluate(side, point, PRECISE)) / math.log(10)) for side in (left, right))
    except FAILURES:
        return 0
    if extra > MOST_EXTRA_DIGITS:
        raise TooLargeError("a sum of numbers too large to compute")
    spend(max(extra, 0))
    return max(extra, 0)


def clearly_different(left: Any, right: Any) -> bool:
    """Whether floats suffice: sizes that floats hold well, and a difference that rounding cannot make."""
    size = max(abs(left), abs(right))
    return 1e-6 < size < 1e12 and abs(left - right) > DOUBTFUL * max(size, 1.0)


def agree_at(left: Expr, right: Expr, point: Point, digits: int, *, complex_too: bool) -> bool | None:
    """At one precision; None where there is no value or one is not real."""
    with precision(digits):
        try:
            ours, theirs = (evaluate(side, point, PRECISE) for side in (left, right))
        except FAILURES:
            return None
        if not (mpmath.isfinite(ours) and mpmath.isfinite(theirs)):
            return None
        if not complex_too and not is_real(ours, theirs):
            return None
        size = max(abs(ours), abs(theirs))
        if size == 0:
            return True
        near_zero = max(scale(left, point), scale(right, point)) * mpmath.mpf(10) ** (-digits + 8)
        return bool(abs(ours - theirs) <= size * mpmath.mpf(10) ** (10 - digits) or size <= near_zero)


def scale(expr: Expr, point: Point) -> Any:
    """The size of the largest term of a sum: what cancels to nothing is small beside it."""
    if expr.op in ("add", "neg"):
        return max(scale(part, point) for part in expr.parts)
    if expr.op == "mul":
        return scale(expr.parts[0], point) * scale(expr.parts[1], point)
    return abs(evaluate(expr, point, PRECISE))


def proportional(left: Expr, right: Expr, *, positive: bool) -> bool:
    """Whether one is a constant times the other, and a positive one where it must be: equations that say the same."""
    names = sorted(names_of(left) | names_of(right))
    if not names or names_of(left) != names_of(right):
        return same_value(left, right) and same_value(left, Expr("number", leaf=Fraction(0)))
    with precision(DIGITS[0]):
        ratios = []
        for at in range(POINTS):
            point = make_point(names, at)
            try:
                above, below = (evaluate(side, point, PRECISE) for side in (left, right))
                ratios.append(above / below)
            except FAILURES:
                continue
        if len(ratios) < 3 or not all(mpmath.isfinite(ratio) and ratio != 0 for ratio in ratios):
            return False
        close = all(abs(ratio - ratios[0]) < abs(ratios[0]) * mpmath.mpf(10) ** (10 - DIGITS[0]) for ratio in ratios)
        return bool(close) and (not positive or (is_real(ratios[0]) and mpmath.re(ratios[0]) > 0))


@contextmanager
def precision(digits: int) -> Iterator[None]:
    """mpmath at so many digits."""
    with mpmath.workdps(digits):
        yield


def make_point(names: list[str], at: int) -> Point:
    """Values that depend on the name alone and on the point, so that every comparison meets the same."""
    return {name: coordinate(name, at) for name in names}


def coordinate(name: str, at: int) -> Fraction:
    """Between 0 and the size of the point; of either sign at the last ones."""
    drawn = Fraction(crc32(f"{at} {name}".encode()) % 99_991 + 1, 99_993)
    size = SIZES[at] * drawn
    return -size if at >= POSITIVE and crc32(f"sign {at} {name}".encode()) % 3 else size


def is_real(*values: Any) -> bool:
    """Whether no value has an imaginary part beyond rounding."""
    return all(abs(mpmath.im(value)) <= 1e-12 * (abs(value) + 1e-300) for value in values)


def names_of(expr: Expr) -> frozenset[str]:
    """All names but the indices of sums."""
    if expr.op == "name":
        return frozenset((str(expr.leaf),))
    inner = frozenset[str]().union(*(names_of(part) for part in expr.parts))
    return inner - {str(expr.leaf).partition(" ")[2]} if expr.op == "big" else inner


def has_i(expr: Expr) -> bool:
    """Whether the imaginary unit occurs."""
    return (expr.op == "constant" and expr.leaf == "i") or any(has_i(part) for part in expr.parts)


def infinity(expr: Expr) -> int:
    """1 for infinity, -1 for its negative, 0 for everything else."""
    if expr.op == "constant" and expr.leaf == "infty":
        return 1
    return -infinity(expr.parts[0]) if expr.op == "neg" else 0


def has_sum(expr: Expr) -> bool:
    """Whether a sum occurs, in which terms can be lost."""
    return expr.op in ("add", "big", "determinant") or any(has_sum(part) for part in expr.parts)


def is_constant(expr: Expr) -> bool:
    """Whether it is a number: no names, no made-up functions."""
    return not names_of(expr) and not has_made_up(expr)


def has_made_up(expr: Expr) -> bool:
    """Whether a function without a value of its own occurs."""
    return expr.op == "apply" or any(has_made_up(part) for part in expr.parts)


def approximate(expr: Expr, at: Arithmetic = FLOATS) -> float:
    """A real constant as a float."""
    if sign := infinity(expr):
        return sign * float("inf")
    try:
        value = complex(evaluate(expr, {}, at))
    except FAILURES as error:
        raise UnreadableError("it has no value") from error
    return value.real
