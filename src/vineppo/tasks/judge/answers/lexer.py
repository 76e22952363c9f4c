r"""From spelling to tokens. A character, a command or a run of letters that means nothing here is refused."""

import re
from dataclasses import dataclass
from fractions import Fraction

from vineppo.tasks.judge.answers.forms import Expr, UnreadableError
from vineppo.tasks.judge.answers.words import BARE, SCALES, UNIT, words

FUNCTIONS = words(
    "sin cos tan cot sec csc arcsin arccos arctan arccot sinh cosh tanh ln log lg exp gcd lcm max min det deg floor "
    "ceil abs Re Im arg"
)
GREEK = words(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau "
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell hbar triangle angle"
)
SYMBOLS = {
    "cdot": "*",
    "times": "*",
    "ast": "*",
    "div": "/",
    "le": "<=",
    "leq": "<=",
    "leqslant": "<=",
    "ge": ">=",
    "geq": ">=",
    "geqslant": ">=",
    "lt": "<",
    "gt": ">",
    "ne": "!=",
    "neq": "!=",
    "approx": "~",
    "equiv": "==",
    "in": "in",
    "pm": "pm",
    "mp": "mp",
    "cup": "cup",
    "setminus": "setminus",
    "mid": "mid",
    "vert": "|",
    "lvert": "|",
    "rvert": "|",
    "colon": ":",
    "prime": "'",
    "{": r"\{",
    "}": r"\}",
    "|": r"\|",
    "%": "%",
    "$": "dollar",
    "\\": "\\\\",
    "&": "&",
    "lfloor": "lfloor",
    "rfloor": "rfloor",
    "lceil": "lceil",
    "rceil": "rceil",
    "langle": "langle",
    "rangle": "rangle",
    "choose": "choose",
    "over": "over",
    "circ": "circ",
    "degree": "degree",
    "infty": "infty",
    "pmod": "pmod",
    "bmod": "mod",
    "mod": "mod",
    "emptyset": "empty",
    "varnothing": "empty",
    "frac": "frac",
    "sqrt": "sqrt",
    "binom": "binom",
    "sum": "sum",
    "prod": "prod",
    "begin": "begin",
    "end": "end",
    "mathbb": "mathbb",
    "overline": "overline",
    "vec": "vec",
    "hat": "hat",
    "overrightarrow": "vec",
    "widehat": "hat",
    "bar": "bar",
    "pi": "pi",
    "boxed": "boxed",
    "fbox": "boxed",
}
"""Commands that the grammar knows, by the name it has for them."""
PLAIN = {"pi": "pi", "sqrt": "sqrt", "infinity": "infty", "inf": "infty", "oo": "infty", "mod": "mod"}
"""The same without a backslash."""
SINGLE = frozenset("+-*/^_()[]{}|,;:!=<>%&'")
UPRIGHT = re.compile(
    r"\\(?:text|textbf|textrm|textit|textnormal|mbox|mathrm|mathbf|mathit|boldsymbol|bm|operatorname)\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}"
)
COMMAND = re.compile(r"\\([A-Za-z]+|.)")
NUMBER = re.compile(r"(?:([0-9]{1,3}(?:,[0-9]{3})+)(?![0-9]|,[0-9])|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+")
EXPONENT = re.compile(r"[eE]([+-]?[0-9]{1,3})(?![0-9A-Za-z.^_(\\{])")
REPEATING = re.compile(r"\\overline\s*\{\s*([0-9]{1,20})\s*\}")
LETTERS = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")
PROSE = re.compile(r"[A-Za-z]{2}")
MOST_DIGITS = 1000


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: number, name, function, text, word, or the symbol itself. `gap`: a space stood before it."""

    kind: str
    text: str
    value: Expr | None = None
    gap: bool = False


def tokenize(text: str) -> list[Token]:
    """All tokens of a normalised answer."""
    tokens: list[Token] = []
    opened: list[str] = []
    at, gap = 0, False
    while at < len(text):
        if text[at] == " ":
            at, gap = at + 1, True
            continue
        found, end = next_tokens(text, at, in_brackets=bool(opened) and opened[-1] != "{")
        for token in found:
            tokens.append(Token(token.kind, token.text, token.value, gap))
            gap = False
            track(token.kind, opened)
        at, gap = end, False
    return tokens


def track(kind: str, opened: list[str]) -> None:
    """The open brackets: within them a comma separates, whatever digits follow."""
    if kind in ("(", "[", "{", r"\{"):
        opened.append(kind)
    elif kind in (")", "]", "}", r"\}") and opened:
        opened.pop()


def next_tokens(text: str, at: int, *, in_brackets: bool) -> tuple[list[Token], int]:
    """The tokens at a place, and where the next ones begin. Text in \\text{} that is mathematics is read as such."""
    if upright := UPRIGHT.match(text, at):
        return read_upright(upright[1]), upright.end()
    if NUMBER.match(text, at):
        token, end = read_number(text, at, in_brackets=in_brackets)
        return [token], end
    if command := COMMAND.match(text, at):
        return [read_command(command[1])], command.end()
    if letters := LETTERS.match(text, at):
        run = letters[0]
        if "-" in run and not all(len(part) > 3 for part in run.split("-")):
            run = run.partition("-")[0]  # a minus, and no hyphen
        return read_letters(run), at + len(run)
    return read_sign(text, at)


def read_sign(text: str, at: int) -> tuple[list[Token], int]:
    """A sign, or the full stop of a sentence or of an abbreviation."""
    ends_word = at > 0 and text[at - 1].isalpha()
    if text.startswith("**", at):
        found, length = [Token("^", "**")], 2
    elif text[at] in SINGLE:
        found, length = [Token(text[at], text[at])], 1
    elif text[at] == "." and (at == len(text) - 1 or ends_word):
        found, length = [] if at == len(text) - 1 else [Token("word", ".")], 1
    else:
        raise UnreadableError(f"{text[at]!r} is not understood, at {text[at : at + 20]!r}")
    return found, at + length


def read_upright(inside: str) -> list[Token]:
    """Words stay text; letters, numbers, commands and lists of them are read as if they stood in the open."""
    plain = inside.strip()
    if not plain:
        return []
    if plain[0].isdigit() or "\\" in plain:
        return tokenize(plain)
    if not PROSE.search(plain):
        unit = plain.isalpha() or (UNIT.fullmatch(plain) and "/" in plain)
        return [Token("text", plain)] if unit else tokenize(plain)
    pieces = re.split(r"(?:^|[\s,]+)(and|or)(?:\s+|$)|(,)\s*", plain)
    return [
        Token(piece, piece) if piece in ("and", "or", ",") else Token("text", piece.strip())
        for piece in pieces
        if piece and piece.strip()
    ]


def read_number(text: str, at: int, *, in_brackets: bool) -> tuple[Token, int]:
    """An exact number: digits, thousands' commas, a decimal point, an exponent, repeating decimals."""
    found = NUMBER.match(text, at)
    assert found is not None, "the caller looked"
    written = found[0]
    if found[1] and in_brackets:
        written = written.partition(",")[0]
    end = at + len(written)
    grouped = tuple(int(part) for part in written.split(",")) if "," in written and "." not in written else ()
    if "," in written and written.startswith("0"):
        written, grouped = written.partition(",")[0], ()
        end = at + len(written)
    if len(written) > MOST_DIGITS:
        raise UnreadableError(f"a number of {len(written)} digits is too long")
    digits = written.replace(",", "")
    places = len(digits.partition(".")[2]) if "." in digits.removesuffix(".") else None
    value = Fraction(digits.removesuffix("."))
    if repeating := REPEATING.match(text, end):
        if "." not in digits:
            raise UnreadableError("a bar over digits that are no decimals")
        period = repeating[1]
        value += Fraction(int(period), (10 ** len(period) - 1) * 10 ** len(digits.partition(".")[2]))
        return Token("number", text[at : repeating.end()], Expr("number", leaf=value)), repeating.end()
    if power := EXPONENT.match(text, end):
        value *= Fraction(10) ** int(power[1])
        return Token("number", text[at : power.end()], Expr("number", leaf=value)), power.end()
    return Token("number", digits, Expr("number", leaf=value, places=places, split=grouped)), end


def read_command(name: str) -> Token:
    """A command that the grammar knows."""
    if name in SYMBOLS:
        return Token(SYMBOLS[name], name)
    if name in FUNCTIONS:
        return Token("function", name)
    if name in GREEK:
        return Token("name", f"\\{name}")
    raise UnreadableError(f"the command \\{name} is not understood")


def read_letters(run: str) -> list[Token]:
    """One letter is a name, capitals are one name (points), two or three letters a product, more of them a word."""
    if run in FUNCTIONS and run != "Re":
        kind = "function"
    elif run in PLAIN:
        kind = PLAIN[run]
    elif run in ("and", "or"):
        kind = run
    elif run.lower() in BARE or run.lower() in SCALES:
        kind = "text"
    elif len(run) == 1 or run.isupper():
        kind = "name"
    elif len(run) <= 3:
        return [Token("name", letter) for letter in run]
    else:
        kind = "word"
    return [Token(kind, run)]
