"""Ways to write a gold answer otherwise, and shapes that game a judge: what a policy will try sooner or later."""

import re
from collections.abc import Callable

SPELLINGS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("in dollars", lambda gold: f"${gold}$"),
    ("in bold", lambda gold: f"**{gold}**"),
    ("with a full stop", lambda gold: f"{gold}."),
    ("with spaces", lambda gold: re.sub(r"(?<=[+=,])|(?=[+=,])", " ", gold) if "," not in gold else f" {gold} "),
    ("with large fractions", lambda gold: re.sub(r"\\[dt]?frac(?![a-zA-Z])", r"\\dfrac", gold)),
    (
        "with large brackets",
        lambda gold: (
            re.sub(r"(?<!\\left)(?<!\\)[(]", r"\\left(", gold).replace(")", r"\right)")
            if gold.count("(") == gold.count(")") and r"\left" not in gold
            else gold
        ),
    ),
    ("with a minus sign", lambda gold: gold.replace("-", "\N{MINUS SIGN}") if r"\text" not in gold else gold),
)
"""Each says the same as the gold answer it is made from, whatever that is."""

TRICKS: tuple[tuple[str, str], ...] = (
    ("a list of guesses", "1, 2, 3, {gold}"),
    ("a negation", r"\text{{not }} {gold}"),
    ("an unknown command", r"\foo {gold}"),
    ("an unsolved equation", "x + 17 = {gold}"),
    ("an equation that is false", "{gold} = {gold} + 1"),
    ("an arrow", r"17 \Rightarrow {gold}"),
    ("an inequality", "x < {gold}"),
    ("prose", "the answer could be {gold}"),
    ("everything", r"(-\infty, \infty)"),
    ("empty braces", "{{}}"),
    ("a question", "{gold}?"),
    ("either sign", r"\pm ({gold} + 17)"),
    ("a constant to be found", "{gold} + C"),
    ("a unit of another kind", r"{gold} \text{{ apples per }} 17"),
    ("a second guess in words", r"{gold} \text{{ or }} 17"),
    ("a withdrawal", r"{gold} \text{{, no, }} 17"),
    ("a congruence", r"x \equiv {gold} \pmod{{17}}"),
)
"""Each says something else than the gold answer it is made from, or nothing at all."""


def other_spellings(gold: str) -> list[tuple[str, str]]:
    """Name and text of those that differ from the gold answer."""
    return [(name, spelled) for name, spell in SPELLINGS if (spelled := spell(gold)) != gold]


def tricks(gold: str) -> list[tuple[str, str]]:
    """Name and text of each."""
    return [(name, pattern.format(gold=gold)) for name, pattern in TRICKS]
