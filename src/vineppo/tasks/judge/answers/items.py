"""One item of an answer, without relations: an expression with its unit, a bracket, a union, a matrix, words."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from vineppo.tasks.judge.answers.equality import approximate, is_constant
from vineppo.tasks.judge.answers.forms import (
    Expr,
    Form,
    Interval,
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
from vineppo.tasks.judge.answers.grammar import DEEPEST, Grammar
from vineppo.tasks.judge.answers.lexer import Token
from vineppo.tasks.judge.answers.words import canonical_words, read_unit

Tokens = Sequence[Token]

OPENING = frozenset(("(", "[", r"\{", "{", "lfloor", "lceil", "langle", "begin"))
CLOSING = frozenset((")", "]", r"\}", "}", "rfloor", "rceil", "rangle", "end"))
SEPARATORS = frozenset((",", ";", "and", "or"))
MATRICES = ("pmatrix", "bmatrix", "matrix", "array", "Bmatrix", "smallmatrix")
INFINITY = Expr("constant", leaf="infty")
REALS = Region("", (Interval(Expr("neg", (INFINITY,)), INFINITY, "()"),))
EMPTY = Words("the empty set")


def split(tokens: Tokens, kinds: frozenset[str]) -> tuple[list[list[Token]], list[str]]:
    """The pieces between tokens of some kinds that stand in no bracket, and those tokens."""
    pieces: list[list[Token]] = [[]]
    between: list[str] = []
    depth = 0
    for token in tokens:
        depth += (token.kind in OPENING) - (token.kind in CLOSING)
        if not 0 <= depth <= DEEPEST:
            raise UnreadableError(
                f"{token.text!r} closes nothing" if depth < 0 else f"it is nested over {DEEPEST} deep"
            )
        if depth == 0 and token.kind in kinds:
            pieces.append([])
            between.append(token.kind)
        else:
            pieces[-1].append(token)
    if depth:
        raise UnreadableError("a bracket is not closed")
    return pieces, between


def separate(tokens: Tokens) -> tuple[list[list[Token]], set[str]]:
    """The items of a list. `, and` separates once; an item that is missing is an error."""
    pieces, between = split(tokens, SEPARATORS)
    items = [pieces[0]]
    for at, (kind, piece) in enumerate(zip(between, pieces[1:], strict=True)):
        if at and not pieces[at] and between[at - 1] in ",;" and kind in ("and", "or"):
            items[-1] = piece
        else:
            items.append(piece)
    if len(items) > 1 and not all(items):
        raise UnreadableError("an item of a list is missing")
    return items, set(between)


def read_item(tokens: Tokens) -> Form:
    """Whatever has no relation and no separator outside of its brackets."""
    if not tokens:
        raise UnreadableError("it is empty")
    if words := read_words(tokens):
        return words
    kinds = [token.kind for token in tokens]
    if kinds == ["empty"]:
        return EMPTY
    for reader in (read_union, read_matrix, read_bracket, read_ratio):
        if (form := reader(tokens)) is not None:
            return form
    if kinds[0] == "mathbb":
        return read_named_set(tokens)
    return read_value(tokens)


def read_words(tokens: Tokens) -> Words | None:
    """Words alone, or a run of letters, which is a word before it is a product."""
    kinds = {token.kind for token in tokens}
    texts = [token.text for token in tokens]
    run = all(token.kind == "name" and token.text.isalpha() for token in tokens)
    if run and not any(token.gap for token in tokens[1:]) and len("".join(texts)) > 1:
        return Words(canonical_words("".join(texts)))
    allowed = {"text", "word", "name", "-", "'", "and", "or", "function"} | (
        {"number"} if begins_in_words(tokens) else set()
    )
    if not kinds <= allowed or not kinds & {"text", "word"}:
        return None
    if len(tokens) == 1 and len(texts[0]) == 1:
        return None
    return Words(canonical_words("".join(f" {token.text}" if spaced(token) else token.text for token in tokens)))


def begins_in_words(tokens: Tokens) -> bool:
    """`May 5` is words; `5 apples` is a number with a unit."""
    return tokens[0].kind in ("text", "word")


def spaced(token: Token) -> bool:
    """Whether a space stands before it: letters of one run have none."""
    return token.gap or token.kind == "text"


def read_union(tokens: Tokens) -> Region | None:
    """Intervals and sets of points, with a union sign between them; the reals without some points."""
    pieces, between = split(tokens, frozenset(("cup", "setminus")))
    if not between:
        return None
    regions = [to_region(read_item(piece)) for piece in pieces]
    if between == ["setminus"] and regions[0] == REALS:
        return without(regions[1])
    if "setminus" in between:
        raise UnreadableError("a difference of sets other than the reals without points")
    return Region("", tuple(piece for region in regions for piece in region.pieces))


def to_region(form: Form) -> Region:
    """What may stand in a union."""
    match form:
        case Region():
            return form
        case Row(items=(Value(expr=low, unit=""), Value(expr=high, unit="")), brackets=brackets):
            return Region("", (Interval(low, high, brackets),))
        case Listing(items=items, braces=True):
            exprs = [item.expr for item in items if isinstance(item, Value) and not item.unit]
            if len(exprs) == len(items):
                return Region("", tuple(Interval(expr, expr, "[]") for expr in exprs))
    raise UnreadableError("a union of something that is neither an interval nor a set")


def without(points: Region) -> Region:
    """The reals but for some numbers: open intervals."""
    exprs = [piece.low for piece in points.pieces]
    if any(piece.low != piece.high or not is_constant(piece.low) for piece in points.pieces):
        raise UnreadableError("the reals without something that is no number")
    ends = [Expr("neg", (INFINITY,)), *sorted(exprs, key=approximate), INFINITY]
    return Region("", tuple(Interval(low, high, "()") for low, high in pairwise(ends)))


def read_named_set(tokens: Tokens) -> Form:
    """`\\mathbb{R}` is an interval; other sets are names."""
    written = "".join(token.text for token in tokens[1:])
    if written in ("R", "{R}"):
        return REALS
    if len(tokens) > 8 or not {token.kind for token in tokens[1:]} <= {"{", "}", "name", "^", "_", "+", "-", "number"}:
        raise UnreadableError("a set of numbers that is not understood")
    return Words(f"mathbb {written}")


def read_matrix(tokens: Tokens) -> Matrix | None:
    """One environment, perhaps within brackets."""
    inside = list(tokens)
    if inside[0].kind in ("(", "[") and inside[-1].kind in (")", "]") and inside[1:2] and inside[1].kind == "begin":
        inside = inside[1:-1]
    if inside[0].kind != "begin":
        return None
    grammar = Grammar(inside)
    if inside[2].text == "vmatrix":
        return None
    rows = grammar.matrix(*MATRICES)
    if grammar.at != len(inside):
        raise UnreadableError("something stands behind a matrix")
    return Matrix(tuple(rows))


def read_bracket(tokens: Tokens) -> Form | None:
    """A tuple, an interval or a set; None for an expression in parentheses, or one that goes on behind them."""
    if tokens[0].kind not in ("(", "[", r"\{", "{", "langle") or not closes_at_end(tokens):
        return None
    inside = tokens[1:-1]
    brackets = tokens[0].text + tokens[-1].text
    if tokens[0].kind == r"\{":
        return read_set(inside)
    items, between = separate(inside)
    if tokens[0].kind == "{":
        if any(token.kind in ("choose", "over") for token in inside):
            return None
        return read_list(items) if len(items) > 1 else read_item(inside)
    if len(items) == 1 or between & {"and", "or"}:
        if brackets == "()" and len(items) == 1:
            return read_group(inside)
        raise UnreadableError("brackets around one item, which are neither a tuple nor an interval")
    brackets = "()" if tokens[0].kind == "langle" else brackets
    if len(items) > 2 and brackets in ("(]", "[)"):
        raise UnreadableError("an interval of more than two ends")
    return Row(tuple(read_item(item) for item in items), brackets)


def read_group(inside: Tokens) -> Form | None:
    """Parentheses around a whole item: `(E)`, `((1,2))`; an expression is left to its own grammar."""
    if any(token.kind in ("=", "<", ">", "<=", ">=", "!=", "in", "~", "==") for token in inside):
        raise UnreadableError("a relation in parentheses")
    return read_item(inside) if inside and inside[0].kind in ("(", "[", "text") else None


def closes_at_end(tokens: Tokens) -> bool:
    """Whether the first bracket is closed by the last token."""
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token.kind in OPENING) - (token.kind in CLOSING)
        if depth == 0:
            return at == len(tokens) - 1
    return False


def read_set(inside: Tokens) -> Form:
    """Elements."""
    if not inside:
        return EMPTY
    if any(token.kind in ("mid", "|", ":") for token in inside):
        raise UnreadableError("a set by its property")
    items, between = separate(inside)
    if between & {"and", "or"}:
        raise UnreadableError("a set of alternatives")
    return replace(read_list(items), braces=True)


def read_list(items: Sequence[Tokens]) -> Listing:
    """Items in any order; one with a plus-or-minus is two."""
    forms: list[Form] = []
    for item in items:
        form = read_item(item)
        forms += form.items if isinstance(form, Listing) and not form.braces else (form,)
    return Listing(tuple(forms))


def read_ratio(tokens: Tokens) -> Ratio | None:
    """Expressions with colons between them."""
    pieces, between = split(tokens, frozenset((":",)))
    if not between:
        return None
    return Ratio(tuple(whole_expression(piece) for piece in pieces))


def whole_expression(tokens: Tokens) -> Expr:
    """An expression and nothing behind it; no plus-or-minus."""
    grammar = Grammar(tokens)
    expr = grammar.sum()
    if grammar.at != len(tokens):
        raise UnreadableError(f"{grammar.peek().text!r} is not understood there")
    if count_choices(expr):
        raise UnreadableError("a plus-or-minus where one number is meant")
    return expr


def read_value(tokens: Tokens) -> Form:
    """An expression, dollars before it or a unit behind it; with a plus-or-minus, a list of two."""
    dollars = [at for at, token in enumerate(tokens) if token.kind == "dollar"]
    if len(dollars) > 1 or (dollars and dollars[0] not in (0, len(tokens) - 1) and tokens[0].kind != "-"):
        raise UnreadableError("dollars within an expression")
    tokens = [token for token in tokens if token.kind != "dollar"]
    if len(tokens) == 1 and tokens[0].kind == "text":
        tokens = [Token("name", tokens[0].text)]
    grammar = Grammar(tokens)
    expr = grammar.sum()
    scale, unit = read_rest(tokens[grammar.at :])
    if dollars:
        if unit not in ("", "dollar"):
            raise UnreadableError("two units")
        unit = "dollar"
    if scale:
        expr = Expr("mul", (expr, number(Fraction(10) ** scale)))
    match count_choices(expr):
        case 0:
            return to_value(expr, unit)
        case 1:
            return Listing(tuple(to_value(choose(expr, sign), unit) for sign in "+-"))
        case _:
            raise UnreadableError("more than one plus-or-minus: two numbers or four?")


def read_rest(rest: Tokens) -> tuple[int, str]:
    """What stands behind an expression must be one unit, to the last token."""
    if not rest:
        return 0, ""
    allowed = {"text", "word", "^", "/", "number", "-", "*", "name", "{", "}"}
    begins = rest[0].kind == "text" or (rest[0].kind == "word" and rest[0].gap)
    if not begins or not {token.kind for token in rest} <= allowed:
        raise UnreadableError(f"{rest[0].text!r} is not understood behind an expression")
    found = read_unit(" ".join(token.text for token in rest))
    if found is None:
        raise UnreadableError(f"{' '.join(token.text for token in rest)!r} is no unit")
    return found


def to_value(expr: Expr, unit: str) -> Value:
    """Degrees and percent of a whole expression are its unit."""
    sign, inner = (True, expr.parts[0]) if expr.op == "neg" else (False, expr)
    if inner.op in ("degree", "percent"):
        if unit:
            raise UnreadableError("two units")
        plain = inner.parts[0]
        return Value(Expr("neg", (plain,)) if sign else plain, inner.op)
    return Value(expr, unit)


def count_choices(expr: Expr) -> int:
    """How many plus-or-minus signs there are."""
    return (expr.op == "choice") + sum(count_choices(part) for part in expr.parts)


def choose(expr: Expr, sign: str) -> Expr:
    """With plus, or with minus, where it was left open."""
    parts = tuple(choose(part, sign) for part in expr.parts)
    if expr.op != "choice":
        return replace(expr, parts=parts)
    minus = (sign == "-") == (expr.leaf == "pm")
    last = Expr("neg", (parts[-1],)) if minus else parts[-1]
    return last if len(parts) == 1 else Expr("add", (parts[0], last))
