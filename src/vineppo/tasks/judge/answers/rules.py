"""The house rules: when two forms are the same answer. One comparison for each form, symmetric, stated in docs/judge.md.

`accepts` adds what only a gold answer may do: be rounded, or be in percent.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

from vineppo.tasks.judge.answers.equality import approximate, has_made_up, is_constant, names_of, proportional, same_value
from vineppo.tasks.judge.answers.forms import (
    Based,
    Chain,
    Choice,
    Clock,
    Congruence,
    Expr,
    Form,
    Interval,
    Label,
    Listing,
    Matrix,
    Ratio,
    Region,
    Row,
    UnreadableError,
    Value,
    Words,
    number,
)
from vineppo.tasks.judge.answers.numeric import exact

Leaves = Callable[[Value, Value], bool]
"""Whether two values are the same."""

SIGNIFICANT = 6
"""Digits of a decimal that may stand for the exact value."""
ROUNDED_GOLD = 3
"""Digits of a gold decimal that an exact answer may round to."""


def same(left: Form, right: Form) -> bool:
    """Whether two forms are the same answer, whichever of them is the gold one."""
    return same_form(left, right, same_quantity)


def accepts(gold: Form, answer: Form) -> bool:
    """Whether an answer is right: the same, or what a rounded gold answer, or one in percent, stands for."""
    return same(gold, answer) or same_form(gold, answer, gold_stands_for)


def same_form(left: Form, right: Form, leaves: Leaves) -> bool:
    """By what the two are; what is not named here is different."""
    if left == right:
        return True
    match left, right:
        case Value(), Value():
            return leaves(left, right)
        case (Words(), Words()) | (Clock(), Clock()) | (Based(), Based()):
            return left == right
        case Choice(), Choice():
            return left.letter == right.letter and (not left.rest or not right.rest or left.rest == right.rest)
        case (Choice(letter=letter), Value(expr=expr)) | (Value(expr=expr), Choice(letter=letter)):
            return expr == Expr("name", leaf=letter)
        case Ratio(), Ratio():
            return same_ratio(left, right)
        case (Label(), Label()) | (Label(), Chain()) | (Chain(), Label()) | (Chain(), Chain()):
            return same_statement(left, right, leaves)
        case (Label(), _):
            return same_form(left.form, right, leaves)
        case (_, Label()):
            return same_form(left, right.form, leaves)
        case Matrix(), Matrix():
            return same_cells(left.rows, right.rows)
        case Congruence(), Congruence():
            return same_congruence(left, right)
        case _:
            return same_collection(left, right, leaves)


def same_collection(left: Form, right: Form, leaves: Leaves) -> bool:
    """Several things, or one thing that can be written as several."""
    match left, right:
        case Listing(), Listing():
            return same_items(left, right, leaves)
        case Row(), Row():
            return left.brackets == right.brackets and same_order(left.items, right.items, leaves)
        case Region(), Region():
            return same_region(left, right, leaves)
        case (Region(), Row()) | (Row(), Region()):
            return same_region(interval_of(left), interval_of(right), leaves)
        case (Matrix(rows=rows), Row(items=items, brackets="()")) | (Row(items=items, brackets="()"), Matrix(rows=rows)):
            column = tuple(Value(row[0]) for row in rows if len(row) == 1)
            return len(column) == len(rows) and same_order(column, items, leaves)
        case (Ratio(parts=(above, below)), Value(unit="") as value) | (Value(unit="") as value, Ratio(parts=(above, below))):
            return exact(below) != 0 and same_quantity(Value(Expr("div", (above, below))), value)
        case (Value(expr=expr, unit=""), Listing(items=items)) | (Listing(items=items), Value(expr=expr, unit="")):
            listed = Listing(tuple(Value(number(part)) for part in expr.split))
            return bool(expr.split) and same_items(listed, Listing(items), leaves)
        case (Words(text=text), Value(expr=expr, unit="")) | (Value(expr=expr, unit=""), Words(text=text)):
            return len(text) == 2 and text.islower() and same_value(product_of(text), expr)
        case _:
            return False


# --- values ------------------------------------------------------------------------------------------------------


def same_quantity(left: Value, right: Value) -> bool:
    """A unit may be missing on one side; two units must be one. Percent is a number; degrees may be radians."""
    if left.unit != right.unit:
        if "percent" in (left.unit, right.unit):
            left, right = without_percent(left), without_percent(right)
        if left.unit and right.unit:
            return False
        if "degree" in (left.unit, right.unit) and in_radians(left, right):
            return True
    return same_value(left.expr, right.expr) or is_decimal_of(left.expr, right.expr) or is_decimal_of(right.expr, left.expr)


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
    """The same; or the gold one is a decimal to which an exact answer rounds; or it is in percent and the answer not."""
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


def product_of(letters: str) -> Expr:
    """`xy` where the other side is an expression."""
    return Expr("mul", (Expr("name", leaf=letters[0]), Expr("name", leaf=letters[1])))


# --- statements --------------------------------------------------------------------------------------------------


def same_statement(left: Label | Chain, right: Label | Chain, leaves: Leaves) -> bool:
    """Labels of one name by their values; equations where one is a multiple of the other; inequalities side by side."""
    if isinstance(left, Label) and isinstance(right, Label):
        if left.name == right.name or (left.arguments and right.arguments and not names_clash(left, right)):
            return len(left.arguments) == len(right.arguments) and same_form(
                with_arguments(left), with_arguments(right), leaves
            )
    ours, theirs = as_chain(left), as_chain(right)
    if ours is None or theirs is None or ours.relations != theirs.relations:
        return False
    if len(ours.sides) == 2:
        positive = ours.relations[0] not in ("=", "!=")
        return proportional(difference(ours), difference(theirs), positive=positive)
    return all(same_value(mine, other) for mine, other in zip(ours.sides, theirs.sides, strict=True))


def names_clash(left: Label, right: Label) -> bool:
    """Functions of different names are different functions."""
    return left.name != right.name


def with_arguments(label: Label) -> Form:
    """The value of a function with its arguments called by their places."""
    match label.form:
        case Value(expr=expr, unit=unit) if label.arguments:
            places = {name: f"argument {at}" for at, name in enumerate(label.arguments)}
            return Value(renamed(expr, places), unit)
        case form:
            return form


def renamed(expr: Expr, names: dict[str, str]) -> Expr:
    """With other names."""
    if expr.op == "name" and expr.leaf in names:
        return Expr("name", leaf=names[str(expr.leaf)])
    return Expr(expr.op, tuple(renamed(part, names) for part in expr.parts), expr.leaf, expr.places)


def as_chain(statement: Label | Chain) -> Chain | None:
    """A label as an equation."""
    match statement:
        case Chain():
            return statement
        case Label(name=name, arguments=(), form=Value(expr=expr, unit="")):
            return Chain((Expr("name", leaf=name), expr), ("=",))
        case _:
            return None


def difference(chain: Chain) -> Expr:
    """Left minus right."""
    left, right = chain.sides
    return Expr("add", (left, Expr("neg", (right,))))


def same_congruence(left: Congruence, right: Congruence) -> bool:
    """The same modulus, and residues that differ by a multiple of it."""
    if not same_value(left.modulus, right.modulus) or not same_value(left.left, right.left):
        return False
    modulus, ours, theirs = exact(left.modulus), exact(left.right), exact(right.right)
    if modulus is not None and ours is not None and theirs is not None and modulus != 0:
        return ((ours - theirs) / modulus).denominator == 1
    return same_value(left.right, right.right)


def same_ratio(left: Ratio, right: Ratio) -> bool:
    """Every part by the same factor."""
    if len(left.parts) != len(right.parts):
        return False
    if all(same_value(mine, other) for mine, other in zip(left.parts, right.parts, strict=True)):
        return True
    if any(exact(part) == 0 for part in (*left.parts, *right.parts)):
        return False
    first, other = left.parts[0], right.parts[0]
    return all(
        same_value(Expr("mul", (mine, other)), Expr("mul", (theirs, first)))
        for mine, theirs in zip(left.parts[1:], right.parts[1:], strict=True)
    )


# --- collections -------------------------------------------------------------------------------------------------


def same_items(left: Listing, right: Listing, leaves: Leaves) -> bool:
    """In any order, each item matched with one of its own; in sets an element counts once."""
    ours, theirs = (distinct(listing) if listing.braces else listing.items for listing in (left, right))
    if len(ours) != len(theirs):
        return False
    matched: dict[int, int] = {}
    edges = [[at for at, other in enumerate(theirs) if same_form(item, other, leaves)] for item in ours]
    return all(match_item(at, edges, matched, set()) for at in range(len(ours)))


def match_item(item: int, edges: Sequence[Sequence[int]], matched: dict[int, int], tried: set[int]) -> bool:
    """Find a partner for an item, moving others aside where they have another choice."""
    for other in edges[item]:
        if other in tried:
            continue
        tried.add(other)
        if other not in matched or match_item(matched[other], edges, matched, tried):
            matched[other] = item
            return True
    return False


def distinct(listing: Listing) -> tuple[Form, ...]:
    """Each element of a set once."""
    found: list[Form] = []
    for item in listing.items:
        if not any(same(item, other) for other in found):
            found.append(item)
    return tuple(found)


def same_order(left: Sequence[Form], right: Sequence[Form], leaves: Leaves) -> bool:
    """Item by item."""
    return len(left) == len(right) and all(
        same_form(mine, other, leaves) for mine, other in zip(left, right, strict=True)
    )


def same_cells(left: Sequence[Sequence[Expr]], right: Sequence[Sequence[Expr]]) -> bool:
    """Matrices cell by cell."""
    if [len(row) for row in left] != [len(row) for row in right]:
        return False
    cells = zip((cell for row in left for cell in row), (cell for row in right for cell in row), strict=True)
    return all(same_quantity(Value(mine), Value(other)) for mine, other in cells)


def interval_of(form: Form) -> Region:
    """A pair in brackets as an interval; one that is none has no pieces."""
    match form:
        case Region():
            return form
        case Row(items=(Value(expr=low), Value(expr=high)), brackets=brackets):
            return Region("", (Interval(low, high, brackets),))
        case _:
            return Region("", ())


def same_region(left: Region, right: Region, leaves: Leaves) -> bool:
    """The same pieces in any order; a variable may be named on one side only."""
    if left.variable and right.variable and left.variable != right.variable:
        return False
    if not left.pieces or len(left.pieces) != len(right.pieces):
        return False
    edges = [[at for at, other in enumerate(right.pieces) if same_interval(mine, other, leaves)] for mine in left.pieces]
    matched: dict[int, int] = {}
    return all(match_item(at, edges, matched, set()) for at in range(len(left.pieces)))


def same_interval(left: Interval, right: Interval, leaves: Leaves) -> bool:
    """Brackets and both ends."""
    return left.brackets == right.brackets and all(
        leaves(Value(mine), Value(other)) for mine, other in ((left.low, right.low), (left.high, right.high))
    )


