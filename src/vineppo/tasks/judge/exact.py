r"""The fast path: decide what needs no algebra, exactly. Pure.

    1{,}000    = 1000
    \dfrac{1}{2} = 0.5
    \left(3,\ 4\right) = (3,4)
    2          != 3

What it cannot decide it leaves open: `\sqrt{4}` and `2` are for a computer algebra system.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

SPELLINGS = (
    (re.compile(r"\\[dt]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\(?:left|right)(?![a-zA-Z])"), ""),
    (re.compile(r"\\[!,;: ]|~"), " "),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\\$|\$"), ""),
    (re.compile(r"\\%"), "%"),
    (re.compile(r"\\(?:text|textbf|textrm|mbox|mathrm)\s*\{([^{}\\]*)\}"), r"\1"),
    (re.compile(r"\^\{\\circ\}"), r"^\\circ"),
    (re.compile("\N{MINUS SIGN}"), "-"),
)
"""Other ways to write the same, and how we write it."""
SILENT = re.compile(r"\\!|(?<=[0-9])\\,(?=[0-9]{3}(?![0-9]))")
"""`1,\\!000` and `10\\,000` are one number each."""
SPACE = re.compile(r"(?<![A-Za-z0-9]) | (?![A-Za-z0-9])")
"""A space that separates nothing: next to a sign."""

INVISIBLE = " \t\r\n\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NO-BREAK SPACE}"
"""Around an answer these mean nothing. Within one they are left to stand, and make it no number."""

DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)"
NUMBER = re.compile(rf"([+-]?)({DIGITS}(?:\.[0-9]*)?|\.[0-9]+)\Z")
FRACTION = re.compile(rf"([+-]?)(?:\\frac\{{(-?{DIGITS})\}}\{{(-?{DIGITS})\}}|({DIGITS})/({DIGITS}))\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Number:
    """An exact value, and whether it was written with a decimal point, which may mean that it was rounded."""

    value: Fraction
    decimal: bool


def compare(answer: str, gold: str) -> bool | None:
    """Whether two answers are the same; None where that takes algebra."""
    ours, theirs = canonical(answer), canonical(gold)
    if ours == theirs:
        return ours != ""
    left, right = read_number(ours), read_number(theirs)
    if left is None or right is None:
        return None
    if left.value == right.value:
        return True
    return None if is_rounding(left, right) or is_rounding(right, left) else False


def canonical(answer: str) -> str:
    """One spelling for answers that differ in nothing but how they are set."""
    text = SILENT.sub("", answer.strip(INVISIBLE))
    for pattern, spelling in SPELLINGS:
        text = pattern.sub(spelling, text)
    return SPACE.sub("", " ".join(text.split())).removesuffix(".")


def read_number(text: str) -> Number | None:
    """An integer, a decimal or a fraction of integers; no exponents, which could make it too large to hold."""
    if found := NUMBER.match(text):
        digits = found[2].replace(",", "").removesuffix(".")
        return Number(value=signed(found[1], Fraction(digits)), decimal="." in digits)
    if found := FRACTION.match(text):
        top, bottom = (int(part.replace(",", "")) for part in found.groups()[1:] if part is not None)
        return Number(value=signed(found[1], Fraction(top, bottom)), decimal=False) if bottom else None
    return None


def signed(sign: str, value: Fraction) -> Fraction:
    """The value with its sign."""
    return -value if sign == "-" else value


def is_rounding(decimal: Number, fraction: Number) -> bool:
    """Whether a decimal may stand for a fraction that no decimal can express: 0.333333 for 1/3."""
    bottom = fraction.value.denominator
    for prime in (2, 5):
        while bottom % prime == 0:
            bottom //= prime
    return decimal.decimal and bottom != 1
