"""The house rules: when two forms are the same answer. One comparison for each form, symmetric, in docs/judge.md.

`stands_for` adds what only a gold answer may do: be rounded, or be in percent.
"""

from collections.abc import Callable, Iterator, Sequence

from vineppo.tasks.judge.answers.equality import names_of, proportional, same_value
from vineppo.tasks.judge.answers.exact import exact
from vineppo.tasks.judge.answers.forms import (
    Chain,
    Choice,
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
    Value,
    Words,
    number,
)
from vineppo.tasks.judge.answers.quantities import decimal_digits, gold_stands_for, same_quantity
from vineppo.tasks.judge.answers.work import limited_work

Leaves = Callable[[Value, Value], bool]
"""Whether two values are the same."""


def same(left: Form, right: Form) -> bool:
    """Whether two forms are the same answer, whichever of them is the gold one."""
    with limited_work():
        return same_form(left, right, same_quantity)


def stands_for(gold: Form, answer: Form) -> bool:
    """Whether an answer that is not the same is what a rounded gold answer, or one in percent, stands for."""
    if not any(value.unit == "percent" or decimal_digits(value.expr) for value in values_of(gold)):
        return False
    with limited_work():
        return same_form(gold, answer, gold_stands_for)


def values_of(form: Form) -> Iterator[Value]:
    """The numbers and expressions in an answer."""
    match form:
        case Value():
            yield form
        case Label(form=inner):
            yield from values_of(inner)
        case Listing(items=items) | Row(items=items):
            for item in items:
                yield from values_of(item)
        case Region(pieces=pieces):
            for piece in pieces:
                yield from (Value(piece.low), Value(piece.high))


def same_form(left: Form, right: Form, leaves: Leaves) -> bool:
    """By what the two are; what is not named here is different."""
    if left == right:
        return True
    match left, right:
        case Value() as ours, Value() as theirs:
            result = leaves(ours, theirs)
        case ((Label() | Chain() as ours), (Label() | Chain() as theirs)):
            result = same_statement(ours, theirs, leaves)
        case (Label() as label, other):
            result = speaks_of_its_arguments(label) and same_form(label.form, other, leaves)
        case (other, Label() as label):
            result = speaks_of_its_arguments(label) and same_form(other, label.form, leaves)
        case Choice() as ours, Choice() as theirs:
            result = ours.letter == theirs.letter and ("" in (ours.rest, theirs.rest) or ours.rest == theirs.rest)
        case Matrix() as ours, Matrix() as theirs:
            result = same_cells(ours.rows, theirs.rows)
        case Congruence() as ours, Congruence() as theirs:
            result = same_congruence(ours, theirs)
        case Ratio() as ours, Ratio() as theirs:
            result = same_ratio(ours, theirs)
        case _:
            result = same_collection(left, right, leaves) or same_otherwise(left, right) or same_otherwise(right, left)
    return result


def same_collection(left: Form, right: Form, leaves: Leaves) -> bool:
    """Several things each."""
    match left, right:
        case Listing() as ours, Listing() as theirs:
            return same_items(ours, theirs, leaves)
        case Row() as ours, Row() as theirs:
            return ours.brackets == theirs.brackets and same_order(ours.items, theirs.items, leaves)
        case ((Region() | Row()), (Region() | Row())):
            return same_region(interval_of(left), interval_of(right), leaves)
        case _:
            return False


def same_as_list(form: Form, listing: Listing) -> bool:
    """What may be written as a list: a tuple with its labels, points, a number with commas."""
    match form:
        case Row(items=items, brackets="()") if len(items) > 1 and not listing.braces:
            labelled = all(isinstance(item, Label) for item in listing.items)
            return labelled and same_order(items, listing.items, same_quantity)
        case Region(pieces=pieces) if all(piece.low == piece.high for piece in pieces):
            return same_items(Listing(tuple(Value(piece.low) for piece in pieces)), listing, same_quantity)
        case Value(expr=expr, unit="") if expr.split:
            return same_items(Listing(tuple(Value(number(part)) for part in expr.split)), listing, same_quantity)
        case _:
            return False


def same_otherwise(left: Form, right: Form) -> bool:
    """One thing in two ways of writing: a choice and its letter, a column and a tuple, a ratio and its value."""
    match left, right:
        case _, Listing() as listing:
            return same_as_list(left, listing)
        case Choice(letter=letter), Value(expr=expr):
            return expr == Expr("name", leaf=letter)
        case Matrix(rows=rows), Row(items=items, brackets="()") if all(len(row) == 1 for row in rows):
            return same_order([Value(row[0]) for row in rows], items, same_quantity)
        case Ratio(parts=(above, below)), Value(unit="") as value:
            return exact(below) != 0 and same_quantity(Value(Expr("div", (above, below))), value)
        case Words(text=text), Value(expr=expr, unit="") if len(text) == 2 and text.islower():
            return same_value(Expr("mul", tuple(Expr("name", leaf=letter) for letter in text)), expr)
        case _:
            return False


# --- statements --------------------------------------------------------------------------------------------------


def same_statement(left: Label | Chain, right: Label | Chain, leaves: Leaves) -> bool:
    """Labels of one name by their values; equations where one is a multiple of the other; inequalities side by side."""
    if isinstance(left, Label) and isinstance(right, Label) and left.name == right.name:
        arity = len(left.arguments) == len(right.arguments)
        return arity and same_form(with_arguments(left), with_arguments(right), leaves)
    ours, theirs = as_chain(left), as_chain(right)
    if ours is None or theirs is None or ours.relations != theirs.relations:
        return False
    if len(ours.sides) == 2:
        positive = ours.relations[0] not in ("=", "!=")
        return proportional(difference(ours), difference(theirs), positive=positive)
    return all(same_value(mine, other) for mine, other in zip(ours.sides, theirs.sides, strict=True))


def speaks_of_its_arguments(label: Label) -> bool:
    """`f(x) = x + 1` may be written `x + 1`; `f(x) = 5` is a function, and 5 is a number."""
    return not label.arguments or (
        isinstance(label.form, Value) and bool(names_of(label.form.expr) & {*label.arguments})
    )


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
        if not any(same_form(item, other, same_quantity) for other in found):
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
        case Row(items=(Value(expr=low, unit=""), Value(expr=high, unit="")), brackets=brackets):
            return Region("", (Interval(low, high, brackets),))
        case _:
            return Region("", ())


def same_region(left: Region, right: Region, leaves: Leaves) -> bool:
    """The same pieces in any order; a variable may be named on one side only."""
    if left.variable and right.variable and left.variable != right.variable:
        return False
    if not left.pieces or len(left.pieces) != len(right.pieces):
        return False
    edges = [
        [at for at, other in enumerate(right.pieces) if same_interval(mine, other, leaves)] for mine in left.pieces
    ]
    matched: dict[int, int] = {}
    return all(match_item(at, edges, matched, set()) for at in range(len(left.pieces)))


def same_interval(left: Interval, right: Interval, leaves: Leaves) -> bool:
    """Brackets and both ends."""
    return left.brackets == right.brackets and all(
        leaves(Value(mine), Value(other)) for mine, other in ((left.low, right.low), (left.high, right.high))
    )
