"""How an answer was read, in words and brackets that leave no doubt: for a person who asks why it was refused."""

from fractions import Fraction

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
    Value,
    Words,
)

SIGNS = {"add": " + ", "mul": " * ", "div": " / ", "pow": " ^ "}
LONGEST = 300


def show(form: Form) -> str:
    """One line."""
    text = show_single(form) if isinstance(form, Value | Words | Choice | Clock | Based | Ratio) else show_several(form)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def show_single(form: Value | Words | Choice | Clock | Based | Ratio) -> str:
    """What is one thing."""
    match form:
        case Value(expr=expr, unit=unit):
            return f"{'number' if expr.op == 'number' else 'expression'} {show_expr(expr)}{unit and f', in {unit}'}"
        case Words(text=text):
            return f"words {text!r}"
        case Choice(letter=letter, rest=rest):
            return f"choice {letter}{rest and f', with {rest!r}'}"
        case Clock(hour=hour, minute=minute, half=half):
            return f"time {hour}:{minute:02} {half}m"
        case Based(digits=digits, base=base):
            return f"number {digits} in base {base}"
        case Ratio(parts=parts):
            return f"ratio {' : '.join(map(show_expr, parts))}"


def show_several(form: Form) -> str:
    """What has parts."""
    match form:
        case Listing(items=items, braces=braces):
            text = f"{'set' if braces else 'list'} of {len(items)}: {'; '.join(map(show, items))}"
        case Row(items=items, brackets=brackets):
            text = f"{brackets[0]}{'; '.join(map(show, items))}{brackets[-1]}"
        case Region(variable=variable, pieces=pieces):
            text = f"region{variable and f' of {variable}'} {' or '.join(map(show_interval, pieces))}"
        case Matrix(rows=rows):
            text = f"matrix {'; '.join(', '.join(map(show_expr, row)) for row in rows)}"
        case Label(name=name, arguments=arguments, form=inner):
            applied = f"({', '.join(arguments)})" if arguments else ""
            text = f"{name}{applied} is {show(inner)}"
        case Chain(sides=sides, relations=relations):
            turns = zip(("", *(f" {relation} " for relation in relations)), sides, strict=True)
            text = "statement " + "".join(f"{relation}{show_expr(side)}" for relation, side in turns)
        case Congruence(left=left, right=right, modulus=modulus):
            text = f"{show_expr(left)} congruent to {show_expr(right)} modulo {show_expr(modulus)}"
        case _:
            text = show(form)
    return text


def show_interval(piece: Interval) -> str:
    """Its ends and brackets; of a point, itself."""
    if piece.low == piece.high:
        return f"{{{show_expr(piece.low)}}}"
    return f"{piece.brackets[0]}{show_expr(piece.low)}, {show_expr(piece.high)}{piece.brackets[1]}"


def show_expr(expr: Expr) -> str:
    """With brackets around everything that has parts."""
    if not expr.parts:
        return show_number(expr.leaf) if isinstance(expr.leaf, Fraction) else expr.leaf
    inside = [show_expr(part) for part in expr.parts]
    if expr.op in SIGNS:
        return f"({SIGNS[expr.op].join(inside)})"
    return f"-{inside[0]}" if expr.op == "neg" else f"{expr.leaf or expr.op}({', '.join(inside)})"


def show_number(value: Fraction) -> str:
    """Digits, unless there are too many for Python to print, or for a person to read."""
    if value.numerator.bit_length() > 1000 or value.denominator.bit_length() > 1000:
        return "a long number"
    return str(value)
