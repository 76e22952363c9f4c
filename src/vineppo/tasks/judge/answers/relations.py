r"""Items with a relation: labels, inequalities, equations, congruences. A chain says one thing or is refused."""

import re
from collections.abc import Sequence

from vineppo.tasks.judge.answers.equality import approximate, is_constant, names_of, same_value
from vineppo.tasks.judge.answers.forms import (
    Chain,
    Congruence,
    Expr,
    Form,
    Interval,
    Label,
    Listing,
    Region,
    Row,
    UnreadableError,
    Value,
)
from vineppo.tasks.judge.answers.items import (
    INFINITY,
    Tokens,
    read_item,
    separate,
    split,
    to_region,
    whole_expression,
)
from vineppo.tasks.judge.answers.lexer import Token
from vineppo.tasks.judge.answers.words import FORBIDDEN, canonical_words

RELATIONS = frozenset(("=", "<", ">", "<=", ">=", "!=", "~", "==", "in"))
TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
SET_SIGNS = frozenset(("mid", "|", ":"))
LABEL_WORDS = FORBIDDEN - {"answer", "answers", "least", "most", "a", "an", "number"}
DIFFERENTIAL = Expr("name", leaf="d")
MINUS_INFINITY = Expr("neg", (INFINITY,))


def read_related(tokens: Tokens) -> Form:
    """An item, with or without a relation."""
    if (builder := read_set_builder(tokens)) is not None:
        return builder
    sides, relations = split(tokens, RELATIONS)
    if not relations:
        return read_named(tokens)
    if not all(sides):
        raise UnreadableError("a side of a relation is missing")
    if relations[-1] == "~":
        return read_approximation(sides, relations)
    match sorted(set(relations)):
        case ["=="]:
            form: Form = read_congruence(sides, relations)
        case ["in"] if len(sides) == 2:
            form = read_membership(*sides)
        case ["="]:
            form = read_equation(sides)
        case kinds if set(kinds) <= {"<", ">", "<=", ">=", "!="}:
            form = read_inequality(sides, relations)
        case _:
            raise UnreadableError("relations of several kinds in one chain")
    return form


def read_named(tokens: Tokens) -> Form:
    """`Maximum: 2` is a label; all else is an item."""
    pieces, between = split(tokens, frozenset((":",)))
    if between == [":"] and (name := words_label(pieces[0])):
        return Label(name, (), read_item(pieces[1]))
    return read_item(tokens)


# --- equations ---------------------------------------------------------------------------------------------------


def read_equation(sides: Sequence[Tokens]) -> Form:
    """A label and its value, a number and what it equals, or an equation that nobody solved."""
    label = read_label(sides[0])
    if label is not None:
        form = read_item(sides[1]) if len(sides) == 2 else equal_sides(sides[1:])
        if not mentions(form, label[0]):
            return Label(*label, form)
    if (
        len(sides) == 2
        and label is None
        and (turned := read_label(sides[1])) is not None
        and turned[0] not in ("e", "i")
    ):
        form = read_item(sides[0])
        if isinstance(form, Value) and is_constant(form.expr):
            return Label(*turned, form)
    exprs = [whole_expression(side) for side in sides]
    if all(is_constant(expr) for expr in exprs):
        return equal_sides(sides)
    if len(sides) != 2:
        raise UnreadableError("several equations in one chain")
    return Chain(tuple(exprs), ("=",))


def equal_sides(sides: Sequence[Tokens]) -> Form:
    """The last of sides that are all equal: a calculation with its result."""
    forms = [read_item(side) for side in sides]
    values = [form for form in forms if isinstance(form, Value)]
    if len(values) != len(forms):
        raise UnreadableError("a chain of equations between things that are no numbers")
    if not all(same_value(values[-1].expr, value.expr) for value in values[:-1]):
        raise UnreadableError("a chain of equations that does not hold")
    return values[-1]


def read_label(side: Tokens) -> tuple[str, tuple[str, ...]] | None:
    """A bare name, a function of names, a word, a tuple of names, or what is measured between points."""
    if name := words_label(side):
        return name, ()
    if (applied := function_label(side)) is not None:
        return applied
    try:
        exprs = tuple(whole_expression(piece) for piece in label_pieces(side))
    except UnreadableError:
        return None
    label: str | None = None
    match exprs:
        case [Expr(op="name" | "constant") as only] if only.leaf not in ("pi", "infty"):
            label = str(only.leaf)
        case [Expr(op="div", parts=(Expr(parts=(d, above)), Expr(parts=(also_d, below))))] if (
            d == also_d == DIFFERENTIAL
        ):
            label = f"d{above.leaf}/d{below.leaf}"
        case [Expr(op="abs", parts=(only,))] if is_points(only):
            label = f"|{only.leaf}|"
        case [Expr(op="div", parts=(above, below))] if is_points(above) and is_points(below):
            label = f"{above.leaf}/{below.leaf}"
        case [_, _, *_] if all(expr.op in ("name", "constant") for expr in exprs):
            label = ("," if side[0].kind == "(" else ":").join(str(expr.leaf) for expr in exprs)
    return None if label is None else (label, ())


def label_pieces(side: Tokens) -> list[list[Token]]:
    """The names of a tuple, or of a ratio."""
    if side[0].kind == "(" and side[-1].kind == ")" and any(token.kind == "," for token in side):
        return separate(side[1:-1])[0]
    return split(side, frozenset((":",)))[0]


def function_label(side: Tokens) -> tuple[str, tuple[str, ...]] | None:
    """`f(x)`, `\\Phi(x, y)` with its arguments; `T(10)` and `P(A)` are names as a whole."""
    at = next((at for at, token in enumerate(side) if token.kind == "("), None)
    if not at or side[0].kind != "name" or side[-1].kind != ")" or side[1].kind not in ("(", "_", "'"):
        return None
    inside = side[at + 1 : -1]
    name = "".join(token.text for token in side[:at])
    if [token.kind for token in inside[1::2]] != [","] * (len(inside) // 2) or len(inside) % 2 == 0:
        return None
    if all(token.kind == "name" and not token.text.isupper() for token in inside[::2]):
        return name, tuple(token.text for token in inside[::2])
    if all(token.kind in ("number", "name") for token in inside[::2]):
        return "".join(token.text for token in side), ()
    return None


def is_points(expr: Expr) -> bool:
    """`AB`: what is named by two or more capitals is a length between points."""
    return expr.op == "name" and str(expr.leaf).isupper() and len(str(expr.leaf)) > 1


def words_label(side: Tokens) -> str:
    """`Maximum`; empty where it is no word, or one that says more."""
    if not side or not all(token.kind in ("word", "text") for token in side):
        return ""
    name = canonical_words(" ".join(token.text for token in side))
    words = re.findall(r"[a-z']+", name.lower())
    return "" if len(words) > 4 or not words or set(words) & LABEL_WORDS else name


def mentions(form: Form, name: str) -> bool:
    """Whether a value speaks of its own label: that is an equation to be solved."""
    match form:
        case Value(expr=expr):
            return name in names_of(expr)
        case Listing(items=items) | Row(items=items):
            return any(mentions(item, name) for item in items)
        case _:
            return False


# --- inequalities and sets ---------------------------------------------------------------------------------------


def read_inequality(sides: Sequence[Tokens], relations: Sequence[str]) -> Form:
    """A region of a bare name between bounds; else the chain itself, turned so that it ascends."""
    exprs = [whole_expression(side) for side in sides]
    if all(relation in (">", ">=") for relation in relations):
        exprs, relations = exprs[::-1], [TURNED[relation] for relation in reversed(relations)]
    region = bounded_region(exprs, list(relations)) or bounded_size(exprs, list(relations))
    if region is not None:
        return region
    if "!=" in relations and len(relations) > 1:
        raise UnreadableError("a chain with an unequal sign")
    return Chain(tuple(exprs), tuple(relations))


def bounded_region(exprs: Sequence[Expr], relations: Sequence[str]) -> Region | None:
    """`x < 3`, `3 < x`, `1 < x <= 3`, `x != 2`."""
    match exprs, relations:
        case [Expr(op="name", leaf=str(name)), bound], ["<" | "<=" as relation] if is_constant(bound):
            return Region(name, (Interval(MINUS_INFINITY, bound, "(" + closing(relation)),))
        case [bound, Expr(op="name", leaf=str(name))], ["<" | "<=" as relation] if is_constant(bound):
            return Region(name, (Interval(bound, INFINITY, opening(relation) + ")"),))
        case [Expr(op="name", leaf=str(name)), bound], ["!="] if is_constant(bound):
            return Region(name, (Interval(MINUS_INFINITY, bound, "()"), Interval(bound, INFINITY, "()")))
        case [low, Expr(op="name", leaf=str(name)), high], ["<" | "<=" as first, "<" | "<=" as second] if (
            name not in names_of(low) | names_of(high)
        ):
            return Region(name, (Interval(low, high, opening(first) + closing(second)),))
    return None


def bounded_size(exprs: Sequence[Expr], relations: Sequence[str]) -> Region | None:
    """`|x| < 3`, `|x| >= 1`, `1 <= |x| <= 3` for numbers that are not negative: an interval and its mirror image."""
    numbers = [expr for expr in exprs if expr.op != "abs"]
    if not all(is_constant(expr) and approximate(expr) >= 0 for expr in numbers):
        return None
    match exprs, relations:
        case [Expr(op="abs", parts=(Expr(op="name", leaf=str(name)),)), bound], ["<" | "<=" as relation]:
            minus = Expr("neg", (bound,))
            return Region(name, (Interval(minus, bound, opening(relation) + closing(relation)),))
        case [bound, Expr(op="abs", parts=(Expr(op="name", leaf=str(name)),))], ["<" | "<=" as relation]:
            first, last, high = relation, "<", INFINITY
            low = bound
        case [low, Expr(op="abs", parts=(Expr(op="name", leaf=str(name)),)), high], [first, last] if (
            "!=" not in relations
        ):
            pass
        case _:
            return None
    right = Interval(low, high, opening(first) + closing(last))
    left = Interval(Expr("neg", (high,)), Expr("neg", (low,)), opening(last) + closing(first))
    return Region(name, (left, right))


def opening(relation: str) -> str:
    """The bracket on the left of an interval."""
    return "[" if relation == "<=" else "("


def closing(relation: str) -> str:
    """The bracket on the right of an interval."""
    return "]" if relation == "<=" else ")"


def read_membership(left: Tokens, right: Tokens) -> Form:
    """`x \\in [0, 1]`: a region of a bare name."""
    name = whole_expression(left)
    if name.op != "name":
        raise UnreadableError("an element that is no bare name")
    region = to_region(read_item(right))
    return Region(str(name.leaf), region.pieces)


def read_set_builder(tokens: Tokens) -> Region | None:
    """`\\{x \\mid x > 3\\}`."""
    if not tokens or tokens[0].kind != r"\{" or tokens[-1].kind != r"\}":
        return None
    pieces, between = split(tokens[1:-1], SET_SIGNS)
    if not between:
        return None
    if len(pieces) != 2 or not all(pieces):
        raise UnreadableError("a set by its property, with bars that are not understood")
    region = read_related(pieces[1])
    name = "".join(token.text for token in pieces[0]).partition("in")[0]
    if not isinstance(region, Region) or region.variable != name:
        raise UnreadableError("a set by a property that is no inequality of its element")
    return Region("", region.pieces)


# --- the rest ----------------------------------------------------------------------------------------------------


def read_approximation(sides: Sequence[Tokens], relations: Sequence[str]) -> Form:
    """`\\sqrt{2} \\approx 1.41`: what stands before the sign, where the decimal behind it is its rounding."""
    exact_tokens: list[Token] = []
    for at, side in enumerate(sides[:-1]):
        if at:
            exact_tokens.append(Token(relations[at - 1], relations[at - 1]))
        exact_tokens += side
    form, rounded = read_related(exact_tokens), read_item(sides[-1])
    value = form.form if isinstance(form, Label) else form
    if not (isinstance(value, Value) and isinstance(rounded, Value) and is_constant(value.expr)):
        raise UnreadableError("an approximation of something that is no number")
    decimal = rounded.expr.parts[0] if rounded.expr.op == "neg" else rounded.expr
    if decimal.op != "number":
        raise UnreadableError("an approximation by something that is no decimal")
    places = decimal.places or 0
    if abs(approximate(value.expr) - approximate(rounded.expr)) > 0.51 * 10.0**-places:
        raise UnreadableError("an approximation that is none")
    return form


def read_congruence(sides: Sequence[Tokens], relations: Sequence[str]) -> Congruence:
    """`n \\equiv 1 \\pmod 4`."""
    if list(relations) != ["=="]:
        raise UnreadableError("a congruence in a chain")
    at = next((at for at, token in enumerate(sides[1]) if token.kind in ("pmod", "mod")), None)
    if at is None:
        raise UnreadableError("a congruence without a modulus")
    before, after = list(sides[1][:at]), list(sides[1][at + 1 :])
    if before and before[-1].kind == "(" and after and after[-1].kind == ")":
        before, after = before[:-1], after[:-1]
    return Congruence(whole_expression(sides[0]), whole_expression(before), whole_expression(after))


def union(forms: Sequence[Form]) -> Region | None:
    """Regions and values of one name with `or` between them."""
    regions = [as_region(form) for form in forms]
    found = [region for region in regions if region is not None]
    if len(found) != len(forms) or not any(isinstance(form, Region) for form in forms):
        return None
    if len({region.variable for region in found}) != 1:
        return None
    return Region(found[0].variable, tuple(piece for region in found for piece in region.pieces))


def as_region(form: Form) -> Region | None:
    """A region, or the point that a label names."""
    match form:
        case Region():
            return form
        case Label(name=name, arguments=(), form=Value(expr=expr, unit="")):
            return Region(name, (Interval(expr, expr, "[]"),))
        case Row(items=(Value(), Value())):
            return to_region(form)
        case _:
            return None
