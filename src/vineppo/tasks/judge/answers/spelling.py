r"""One spelling for what is only set differently: Unicode, Markdown, spaces, sizes of brackets. Nothing is dropped that
could mean something."""

import re
import unicodedata

from vineppo.tasks.judge.answers.forms import UnreadableError

INVISIBLE = " \t\r\n\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NO-BREAK SPACE}"
"""Around an answer these mean nothing. Within one they are refused, but for spaces."""
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")

SIGNS = {
    "\N{MINUS SIGN}": "-",
    "\N{EN DASH}": "-",
    "\N{HYPHEN}": "-",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\N{MULTIPLICATION SIGN}": r"\times ",
    "\N{MIDDLE DOT}": r"\cdot ",
    "\N{DOT OPERATOR}": r"\cdot ",
    "\N{DIVISION SIGN}": r"\div ",
    "\N{PLUS-MINUS SIGN}": r"\pm ",
    "\N{INFINITY}": r"\infty ",
    "\N{DEGREE SIGN}": r"^\circ ",
    "\N{LESS-THAN OR EQUAL TO}": r"\le ",
    "\N{LESS-THAN OR SLANTED EQUAL TO}": r"\le ",
    "\N{GREATER-THAN OR EQUAL TO}": r"\ge ",
    "\N{GREATER-THAN OR SLANTED EQUAL TO}": r"\ge ",
    "\N{NOT EQUAL TO}": r"\ne ",
    "\N{ALMOST EQUAL TO}": r"\approx ",
    "\N{IDENTICAL TO}": r"\equiv ",
    "\N{ELEMENT OF}": r"\in ",
    "\N{UNION}": r"\cup ",
    "\N{EMPTY SET}": r"\emptyset ",
    "\N{DOUBLE-STRUCK CAPITAL R}": r"\mathbb{R}",
    "\N{FULLWIDTH COMMA}": ",",
    "\N{FULLWIDTH COLON}": ":",
    "\N{FULLWIDTH LEFT PARENTHESIS}": "(",
    "\N{FULLWIDTH RIGHT PARENTHESIS}": ")",
    "\N{NO-BREAK SPACE}": " ",
    "\N{THIN SPACE}": " ",
    "\N{NARROW NO-BREAK SPACE}": " ",
    "\N{VULGAR FRACTION ONE HALF}": r"\frac{1}{2}",
    "\N{VULGAR FRACTION ONE QUARTER}": r"\frac{1}{4}",
    "\N{VULGAR FRACTION THREE QUARTERS}": r"\frac{3}{4}",
    "\N{VULGAR FRACTION ONE THIRD}": r"\frac{1}{3}",
    "\N{VULGAR FRACTION TWO THIRDS}": r"\frac{2}{3}",
}
GREEK = {
    unicodedata.lookup(f"GREEK {case} LETTER {name.upper().replace('LAMBDA', 'LAMDA')}"): name
    for case, names in (
        (
            "SMALL",
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi "
            "psi omega",
        ),
        ("CAPITAL", "Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"),
    )
    for name in names.split()
}
TABLE = str.maketrans(SIGNS | {letter: rf"\{name} " for letter, name in GREEK.items()})

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+")
LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")
ROOT = re.compile(r"√\s*(?:\(([^()]*)\)|(\d+(?:\.\d+)?|[A-Za-z]|\{[^{}]*\}))")

GROUPS = re.compile(r"(?<![0-9A-Za-z.,])[1-9][0-9]{0,2}(?: [0-9]{3})+(?![0-9A-Za-z/])")
"""Thousands with spaces: `12 500`."""
REWRITES = (
    (re.compile(r"\\(?:left|right)(?=\\[{}|]|[()\[\]|]|\s*\\[lr](?:floor|ceil|vert|brace)(?![a-zA-Z]))"), " "),
    (re.compile(r"\\(?:left|right)\s+(?=\\[{}|]|[()\[\]|])"), " "),
    (re.compile(r"\\[bB]ig{1,2}[lrm]?(?![a-zA-Z])"), " "),
    (re.compile(r"\\(?:displaystyle|textstyle|limits|nolimits|thinspace|quad|qquad)(?![a-zA-Z])"), " "),
    (re.compile(r"\\[dtc]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\[dt]binom(?![a-zA-Z])"), r"\\binom"),
    (re.compile(r"\\lbrace(?![a-zA-Z])"), r"\\{"),
    (re.compile(r"\\rbrace(?![a-zA-Z])"), r"\\}"),
    (re.compile(r"(?<=[0-9])\s*(?:\{,\}|,\s*\\!)\s*(?=[0-9]{3}(?![0-9]))"), ""),
    (re.compile(r"(?<=[0-9])\\[,!](?=[0-9]{3}(?![0-9]))"), ""),
    (re.compile(r"(?<!\\)\\[!,;:> \n()\[\]]|~"), " "),
    (re.compile(r"(?<!\\)\$"), " "),
    (re.compile(r"!="), r"\\ne "),
    (re.compile(r"<="), r"\\le "),
    (re.compile(r">="), r"\\ge "),
    (GROUPS, lambda found: found[0].replace(" ", "")),
)
"""In this order. Thousands are joined before thin spaces become spaces."""
WRAPPERS = (
    ("**", "**"),
    ("__", "__"),
    ("`", "`"),
    ("$$", "$$"),
    ("$", "$"),
    (r"\(", r"\)"),
    (r"\[", r"\]"),
    ("*", "*"),
)


def normalise(answer: str) -> str:
    """The spelling that the lexer reads. Refuses control characters."""
    if CONTROL.search(answer):
        raise UnreadableError("it holds a control character, as a JSON escape such as \\f from \\frac leaves behind")
    text = unwrap(answer.strip(INVISIBLE))
    text = RAISED.sub(lambda found: f"^{{{found[0].translate(SUPERSCRIPTS)}}}", text)
    text = LOWERED.sub(lambda found: f"_{{{found[0].translate(SUBSCRIPTS)}}}", text)
    text = ROOT.sub(lambda found: rf"\sqrt{{{found[1] or found[2]}}}", text)
    text = text.translate(TABLE)
    for pattern, spelling in REWRITES:
        text = pattern.sub(spelling, text)
    text = " ".join(text.split())
    return text if text.endswith("..") else text.removesuffix(".").rstrip()


def unwrap(text: str) -> str:
    """Without the Markdown and the dollars around all of it."""
    for opening, closing in WRAPPERS:
        inside = text[len(opening) : -len(closing)].strip()
        long_enough = len(text) > len(opening) + len(closing)
        if long_enough and text.startswith(opening) and text.endswith(closing) and opening not in inside:
            return unwrap(inside)
    return text
