"""When two numbers or expressions with their units are the same, and what a gold one may stand for besides."""

from fractions import Fraction

from vineppo.tasks.judge.answers.equality import approximate, is_constant, same_value
from vineppo.tasks.judge.answers.exact import exact
from vineppo.tasks.judge.answers.forms import Expr, UnreadableError, Value, number

SIGNIFICANT = 6
"""Digits of a decimal that may stand for the exact value."""
ROUNDED_GOLD = 3
"""Digits of a gold decimal that an exact answer may round to."""


def same_quantity(left: Value, right: Value) -> bool:
    """A unit may be missing on one side; two units must be one. Percent is a number; degrees may be radians."""
    if left.unit != right.unit:
        if "percent" in (left.unit, right.unit):
            left, right = without_percent(left), without_percent(right)
        if left.unit and right.unit:
            return False
        if "degree" in (left.unit, right.unit) and in_radians(left, right):
            return True
    return (
        same_value(left.expr, right.expr)
        or is_decimal_of(left.expr, right.expr)
        or is_decimal_of(right.expr, left.expr)
    )


def without_percent(value: Value) -> Value:
    """A hundredth."""
    return Value(Expr("percent", (value.expr,))) if value.unit == "percent" else value


def in_radians(left: Value, right: Value) -> bool:
    """Degrees against a multiple of pi."""
    degrees, plain = (left, right) if left.unit == "degree" else (right, left)
    return mentions_pi(plain.expr) and same_value(Expr("degree", (degrees.expr,)), plain.expr)


def mentions_pi(expr: Expr) -> bool:
    """Whether pi occurs."""
    return (expr.op == "constant" and expr.leaf == "pi") or any(mentions_pi(part) for part in expr.parts)


def is_decimal_of(decimal: Expr, other: Expr) -> bool:
    """Whether a decimal of six or more digits is another number, rounded or cut off at its last digit."""
    written = decimal_digits(decimal)
    if written is None or has_decimals(other) or not is_constant(other):
        return False
    value, places, digits = written
    if digits < SIGNIFICANT:
        return False
    return within(value, other, Fraction(10) ** -places)


def decimal_digits(expr: Expr) -> tuple[Fraction, int, int] | None:
    """A decimal's value, its places and its significant digits; None for all other expressions."""
    sign = 1
    if expr.op == "neg":
        sign, expr = -1, expr.parts[0]
    shift = 0
    if expr.op == "percent":
        shift, expr = 2, expr.parts[0]
    elif expr.op == "mul" and (power := power_of_ten(expr.parts[1])) is not None:
        shift, expr = -power, expr.parts[0]
    if expr.op != "number" or expr.places is None or not isinstance(expr.leaf, Fraction):
        return None
    digits = len(str(abs(int(expr.leaf * 10**expr.places))).lstrip("0"))
    places = expr.places + shift
    return sign * expr.leaf / (Fraction(10) ** shift), places, digits


def power_of_ten(expr: Expr) -> int | None:
    """The exponent of `10^{42}`."""
    if expr.op != "pow" or exact(expr.parts[0]) != 10:
        return None
    exponent = exact(expr.parts[1])
    return int(exponent) if exponent is not None and exponent.denominator == 1 and abs(exponent) < 1000 else None


def within(value: Fraction, other: Expr, tolerance: Fraction) -> bool:
    """Whether a number is within a tolerance, strictly."""
    found = exact(other)
    if found is not None:
        return abs(found - value) < tolerance
    difference = Expr("div", (Expr("add", (other, number(-value))), number(tolerance)))
    try:
        return abs(approximate(difference)) < 1 and is_constant(other)
    except UnreadableError:
        return False


def has_decimals(expr: Expr) -> bool:
    """Whether a decimal occurs: such an expression is no exact value."""
    return expr.places is not None or any(has_decimals(part) for part in expr.parts)


def gold_stands_for(gold: Value, answer: Value) -> bool:
    """The same; or the gold one is a decimal to which an exact answer rounds, or in percent and the answer not."""
    if same_quantity(gold, answer):
        return True
    if gold.unit == "percent" and not answer.unit and same_value(gold.expr, answer.expr):
        return True
    if gold.unit != answer.unit and "percent" in (gold.unit, answer.unit):
        gold, answer = without_percent(gold), without_percent(answer)
    if gold.unit and answer.unit and gold.unit != answer.unit:
        return False
    written = decimal_digits(gold.expr)
    if written is None or written[2] < ROUNDED_GOLD or has_decimals(answer.expr) or not is_constant(answer.expr):
        return False
    found = exact(answer.expr)
    if found is not None and found.denominator == 1:
        return False
    return within(written[0], answer.expr, Fraction(501, 1000) / Fraction(10) ** written[1])
