r"""Expressions: tokens to trees. What would be guesswork is refused: `2 3`, `x2`, `2\frac{5}{3}`, `\sqrt12`."""

from collections.abc import Sequence
from fractions import Fraction

from vineppo.tasks.judge.answers.forms import Expr, UnreadableError, number
from vineppo.tasks.judge.answers.lexer import Token

DEEPEST = 30
"""Nested groups. Answers of mathematics have fewer than ten."""
APPLIED = frozenset("fghFGH")
"""Names whose parentheses hold an argument; `a(b+c)` is a product."""
MOST_OPERATIONS = 500
"""In one expression; each makes its tree deeper."""
CLOSING = {"(": ")", "[": "]", "{": "}", "|": "|", "lfloor": "rfloor", "lceil": "rceil"}
AROUND = {"|": "abs", "lfloor": "floor", "lceil": "ceil"}
ATOMS = frozenset(("name", "function", "(", "{", "pi", "frac", "sqrt", "binom", "infty", "lfloor", "lceil", "overline"))
"""What may follow a factor without a sign: a product. A number may not."""
ORDINALS = ("st", "nd", "rd", "th")
END = Token("end", "the end")


class Grammar:
    """A place in a sequence of tokens, and what can be read there."""

    def __init__(self, tokens: Sequence[Token]):
        self.tokens, self.at, self.depth, self.operations = tokens, 0, 0, 0

    def peek(self, ahead: int = 0) -> Token:
        """The token here, or further on."""
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else END

    def take(self, kind: str | None = None) -> Token:
        """The token here, which must be of a kind."""
        token = self.peek()
        if token is END or (kind is not None and token.kind != kind):
            raise UnreadableError(f"{kind or 'something'} is missing before {token.text!r}")
        self.at += 1
        return token

    def accept(self, *kinds: str) -> Token | None:
        """The token here if it is of one of the kinds."""
        return self.take() if self.peek().kind in kinds else None

    def count(self) -> None:
        """One more operation."""
        self.operations += 1
        if self.operations > MOST_OPERATIONS:
            raise UnreadableError(f"it has more than {MOST_OPERATIONS} operations")

    def sum(self) -> Expr:
        """Terms with `+`, `-` or `\\pm` between them."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise UnreadableError(f"it is nested more than {DEEPEST} deep")
        total = self.signed()
        while sign := self.accept("+", "-", "pm", "mp"):
            self.count()
            total = combine(sign.kind, total, self.signed())
        self.depth -= 1
        return total

    def signed(self) -> Expr:
        """A product with signs before it."""
        if sign := self.accept("+", "-", "pm", "mp"):
            self.depth += 1
            if self.depth > DEEPEST:
                raise UnreadableError("it has too many signs in a row")
            inner = self.signed()
            self.depth -= 1
            return combine(sign.kind, None, inner)
        return self.product()

    def product(self) -> Expr:
        """Factors, with or without a sign between them."""
        left = self.factor()
        while True:
            self.count()
            if sign := self.accept("*", "/"):
                right = self.negated_factor()
                left = Expr("mul" if sign.kind == "*" else "div", (left, right))
            elif self.peek().kind in ATOMS or (self.peek().kind == "number" and self.tokens[self.at - 1].kind == "!"):
                left = Expr("mul", (left, self.factor()))
            else:
                return left

    def negated_factor(self) -> Expr:
        """A factor; after `*` and `/` it may have its own minus."""
        if self.accept("-"):
            return Expr("neg", (self.factor(),))
        return self.factor()

    def factor(self) -> Expr:
        """An atom with what is written behind it: powers, factorials, degrees, percent."""
        base = self.atom()
        while True:
            self.count()
            match self.peek().kind:
                case "^" if self.peek(1).kind == "circ" or (self.peek(1).kind, self.peek(2).kind) == ("{", "circ"):
                    self.take()
                    braced = self.accept("{")
                    self.take("circ")
                    if braced:
                        self.take("}")
                    base = Expr("degree", (base,))
                case "^" if base.op == "number" and (ordinal := self.ordinal()):
                    self.at += ordinal
                case "^":
                    self.take()
                    base = Expr("pow", (base, self.exponent()))
                case "degree":
                    self.take()
                    base = Expr("degree", (base,))
                case "!":
                    self.take()
                    base = Expr("factorial", (base,))
                case "%":
                    self.take()
                    base = Expr("percent", (base,))
                case _:
                    return base

    def ordinal(self) -> int:
        """How many tokens `^{th}` takes; 0 where it is another power."""
        for length in (4, 5):
            kinds = [self.peek(ahead).kind for ahead in range(length)]
            suffix = "".join(self.peek(ahead).text for ahead in range(2, length - 1))
            if kinds[1] == "{" and kinds[-1] == "}" and suffix in ORDINALS:
                return length
        return 0

    def exponent(self) -> Expr:
        """A group, or one atom; digits stay together, as in `10^42`."""
        if self.peek().kind == "{":
            return self.group("{")
        if self.accept("-"):
            return Expr("neg", (self.exponent(),))
        base = self.atom()
        return Expr("pow", (base, self.exponent())) if self.accept("^") else base

    def group(self, opening: str) -> Expr:
        """What stands between two brackets."""
        self.take(opening)
        inner = self.sum()
        self.take(CLOSING[opening])
        return inner

    def atom(self) -> Expr:
        """What binds tightest."""
        match self.peek().kind:
            case "number":
                return self.number()
            case "name":
                return self.name()
            case "{":
                return self.braces()
            case "function":
                return self.function()
            case "(" | "|" | "lfloor" | "lceil" as opening:
                inner = self.group(opening)
                return inner if opening == "(" else Expr(AROUND[opening], (inner,))
            case _:
                return self.command()

    def command(self) -> Expr:
        """An atom that begins with a command."""
        match self.peek().kind:
            case "pi" | "infty" as constant:
                self.take()
                return Expr("constant", leaf=constant)
            case "frac" | "binom" as command:
                self.take()
                return Expr("div" if command == "frac" else "binomial", (self.argument(), self.argument()))
            case "sqrt":
                return self.root()
            case "sum" | "prod":
                return self.big_operator()
            case "overline" | "vec" | "hat" | "bar":
                return self.decorated()
            case "begin":
                return Expr("determinant", tuple(Expr("row", row) for row in self.matrix("vmatrix")))
        raise UnreadableError(f"no expression begins with {self.peek().text!r}")

    def number(self) -> Expr:
        """A number, or a mixed number: `2 2/3`, `2\\frac{2}{3}`."""
        value = self.take("number").value
        assert value is not None, "the lexer gives numbers their value"
        if (fraction := self.mixed_part(value)) is not None:
            return Expr("add", (value, fraction))
        if self.peek().kind == "number":
            raise UnreadableError(f"two numbers in a row: {self.tokens[self.at - 1].text} {self.peek().text}")
        return value

    def mixed_part(self, whole: Expr) -> Expr | None:
        """The proper fraction after a whole number; None where there is none."""
        if not isinstance(whole.leaf, Fraction) or whole.leaf.denominator != 1 or whole.places is not None:
            return None
        written = self.plain_fraction()
        if written is None:
            return None
        above, below, taken = written
        if not 0 < above < below:
            raise UnreadableError("a whole number before an improper fraction: a sum or a product?")
        self.at += taken
        return number(Fraction(above, below))

    def plain_fraction(self) -> tuple[int, int, int] | None:
        """Two whole numbers and how many tokens they take: `2/3`, `\\frac{2}{3}`, `\\frac23`; None for all else.

        By looking ahead: reading twice would take twice as long at each level of nested fractions.
        """
        kinds = [self.peek(ahead).kind for ahead in range(7)]
        texts = [self.peek(ahead).text for ahead in range(7)]
        found: tuple[str, str, int] | None = None
        if kinds[:3] == ["number", "/", "number"]:
            found = texts[0], texts[2], 3
        elif kinds[:7] == ["frac", "{", "number", "}", "{", "number", "}"]:
            found = texts[2], texts[5], 7
        elif kinds[:5] == ["frac", "number", "{", "number", "}"]:
            found = texts[1], texts[3], 5
        elif kinds[:2] == ["frac", "number"] and len(texts[1]) == 2:
            found = texts[1][0], texts[1][1], 2
        if found is None or not (found[0].isdigit() and found[1].isdigit()):
            return None
        return int(found[0]), int(found[1]), found[2]

    def name(self) -> Expr:
        """A name with its subscript and primes, applied to its arguments where it is a function's."""
        leaf = self.take("name").text
        if leaf in (r"\angle", r"\triangle") and self.peek().kind == "name":
            leaf += f" {self.take().text}"
        if self.accept("_"):
            leaf += f"_{self.subscript()}"
        while self.accept("'"):
            leaf += "'"
        if leaf[:1] in APPLIED and self.peek().kind == "(":
            return Expr("apply", self.arguments(), leaf)
        if leaf in ("e", "i"):
            return Expr("constant", leaf=leaf)
        if self.peek().kind == "number":
            raise UnreadableError(f"a number behind a name: {leaf} {self.peek().text}")
        return Expr("name", leaf=leaf)

    def subscript(self) -> str:
        """As it was written, without spaces."""
        if not self.accept("{"):
            return self.take().text
        written, depth = "", 1
        while True:
            token = self.take()
            depth += {"{": 1, "}": -1}.get(token.kind, 0)
            if depth == 0:
                return written.strip()
            written += token.text

    def arguments(self) -> tuple[Expr, ...]:
        """Expressions with commas between them, in parentheses."""
        self.take("(")
        found = [self.sum()]
        while self.accept(","):
            found.append(self.sum())
        self.take(")")
        return tuple(found)

    def argument(self) -> Expr:
        """Of a command: a group or one token; of two digits in a row each is one."""
        token = self.peek()
        if token.kind == "{":
            return self.group("{")
        if token.kind == "number":
            return self.digit()
        return self.atom()

    def digit(self) -> Expr:
        """`\\frac12`, `\\frac1{72}`, `\\sqrt3`."""
        before, text = self.tokens[self.at - 1].kind, self.take("number").text
        if len(text) == 2 and before == "frac" and text.isdigit():
            self.at -= 1
            self.tokens = [*self.tokens]
            self.tokens[self.at] = Token("number", text[1], number(int(text[1])))
            return number(int(text[0]))
        if len(text) != 1:
            raise UnreadableError(f"a command before {text}: of how many of its digits?")
        return number(int(text))

    def braces(self) -> Expr:
        """A group that only groups; `{n \\choose k}`; `{a \\over b}`."""
        self.take("{")
        inner = self.sum()
        if sign := self.accept("choose", "over"):
            inner = Expr("binomial" if sign.kind == "choose" else "div", (inner, self.sum()))
        self.take("}")
        return inner

    def root(self) -> Expr:
        """`\\sqrt{x}`, `\\sqrt[3]{x}`, `sqrt(x)`."""
        written = self.take("sqrt")
        index = self.group("[") if self.peek().kind == "[" else number(2)
        if self.peek().kind == "(" and written.text == "sqrt":
            return Expr("root", (self.group("("), index))
        return Expr("root", (self.argument(), index))

    def function(self) -> Expr:
        """Its argument is what stands in parentheses, or the product that follows: `\\sin 2x`."""
        leaf = self.take("function").text
        base = None
        if self.accept("_"):
            base = self.argument()
        power = self.exponent() if self.accept("^") else None
        if power == Expr("neg", (number(1),)):
            if leaf not in ("sin", "cos", "tan"):
                raise UnreadableError(f"\\{leaf}^{{-1}}: an inverse or a reciprocal?")
            leaf, power = f"arc{leaf}", None
        if leaf in ("gcd", "lcm", "max", "min"):
            value = Expr("apply", self.arguments(), leaf)
        else:
            inner = self.group("(") if self.peek().kind == "(" else self.bare_argument()
            value = Expr("call", (inner,) if base is None else (inner, base), leaf)
        if power is None:
            return value
        return Expr("pow", (value, power))

    def bare_argument(self) -> Expr:
        """Up to the next function, sign or end: `\\frac{7}{5} \\pi`."""
        if self.peek().kind == "function":
            return self.factor()
        if self.accept("-"):
            return Expr("neg", (self.bare_argument(),))
        inner = self.factor()
        while self.peek().kind in ATOMS - {"function"}:
            inner = Expr("mul", (inner, self.factor()))
        if self.peek().kind == "/" and self.peek(1).kind == "number":
            self.take()
            inner = Expr("div", (inner, self.number()))
        return inner

    def big_operator(self) -> Expr:
        """`\\sum_{k=0}^{n} ...`: index, bounds and body."""
        leaf = self.take().kind
        self.take("_")
        self.take("{")
        index = self.name()
        self.take("=")
        low = self.sum()
        self.take("}")
        self.take("^")
        high = self.exponent()
        body = self.product()
        if index.op != "name" and index.leaf != "i":
            raise UnreadableError(f"{index.leaf} is no index")
        return Expr("big", (low, high, body), f"{leaf} {index.leaf}")

    def decorated(self) -> Expr:
        """`\\overline{AB}`, `\\vec{v}`: a name of its own."""
        mark = self.take().kind
        inner = self.argument()
        if inner.op != "name":
            raise UnreadableError(f"\\{mark} of something that is no name")
        return Expr("name", leaf=f"{mark} {inner.leaf}")

    def matrix(self, *kinds: str) -> list[tuple[Expr, ...]]:
        """An environment of rows."""
        self.take("begin")
        name = self.environment()
        if name not in kinds:
            raise UnreadableError(f"the environment {name} is not understood here")
        if name == "array":
            while self.take().kind != "}":
                pass
        rows: list[tuple[Expr, ...]] = []
        while self.peek().kind != "end":
            row = [self.sum()]
            while self.accept("&"):
                row.append(self.sum())
            rows.append(tuple(row))
            if not self.accept("\\\\"):
                break
        self.take("end")
        if self.environment() != name or len({len(row) for row in rows}) != 1:
            raise UnreadableError("a matrix whose rows are not of one length")
        return rows

    def environment(self) -> str:
        """Its name in braces, which the lexer took for a word or for letters."""
        self.take("{")
        name = ""
        while not self.accept("}"):
            name += self.take().text
        return name


def combine(sign: str, left: Expr | None, right: Expr) -> Expr:
    """A sum, a difference, or either of them."""
    if sign in ("pm", "mp"):
        return Expr("choice", (right,) if left is None else (left, right), sign)
    if left is None:
        return right if sign == "+" else Expr("neg", (right,))
    return Expr("add", (left, right if sign == "+" else Expr("neg", (right,))))
