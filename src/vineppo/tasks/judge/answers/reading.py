r"""From an answer's text to its form, or a refusal that says why."""

import re
from collections.abc import Sequence

from vineppo.tasks.judge.answers.forms import (
    Based,
    Choice,
    Clock,
    Form,
    Label,
    Listing,
    Region,
    UnreadableError,
    Words,
)
from vineppo.tasks.judge.answers.items import Tokens, separate
from vineppo.tasks.judge.answers.lexer import UPRIGHT, Token, tokenize
from vineppo.tasks.judge.answers.relations import read_related, union
from vineppo.tasks.judge.answers.spelling import normalise
from vineppo.tasks.judge.answers.words import FORBIDDEN, words
from vineppo.tasks.judge.answers.work import limited_work

MOST_ITEMS = 60
CLOCK = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))?\s*([ap])\.?\s?m\.?", re.IGNORECASE)
BASED = re.compile(r"(-?)([0-9A-Z]+(?:\.[0-9A-Z]+)?)\s*_\s*(?:\{\s*([0-9]{1,2})\s*\}|([0-9]{1,2}))")
CHOICE = re.compile(r"(?:\(([A-J])\)|([A-J])[).:])\s+(.+)|\(([A-J])\)")
SECOND_THOUGHTS = FORBIDDEN - words(
    "the a an to of from is are by with more less than up under over about half times plus minus"
)
OTHER_CHOICE = re.compile(r"(?<![A-Za-z\\])[A-J](?![A-Za-z])")
TAIL = re.compile(r"for (?:all|any|every|each)(?: .*)?", re.IGNORECASE)
DOMAIN = frozenset(
    ("name", "in", "mathbb", "{", "}", "_", "^", ">", ">=", "<", "<=", "!=", "+", "number", ",", "text", "word", "-")
)
DOMAIN_WORDS = words(
    "real reals integer integers positive negative nonnegative non-negative nonzero number numbers rational natural"
)


def read(answer: str) -> Form:
    """The form of an answer. Raises `UnreadableError` where any part of it is not understood."""
    text = normalise(answer)
    if not text:
        raise UnreadableError("it is empty")
    plain = UPRIGHT.sub(r" \1 ", text)
    plain = " ".join(plain.split())
    for reader in (read_clock, read_based, read_choice):
        if (form := reader(plain)) is not None:
            return form
    try:
        with limited_work():
            return read_tokens(strip_tail(unbox(tokenize(text))))
    except RecursionError:
        raise UnreadableError("it is nested too deep") from None


def read_clock(text: str) -> Clock | None:
    """`6:40 p.m.`, `9 a.m.`"""
    found = CLOCK.fullmatch(text)
    if not found:
        return None
    return Clock(int(found[1]), int(found[2] or 0), found[3].lower())


def read_based(text: str) -> Based | None:
    """`2516_8`: digits that its base has."""
    found = BASED.fullmatch(text)
    if not found or not found[2][0].isdigit():
        return None
    base = int(found[3] or found[4])
    digits = found[2].replace(".", "")
    if not 2 <= base <= 36 or any(int(digit, 36) >= base for digit in digits):
        raise UnreadableError(f"digits that base {base} does not have")
    whole, point, part = found[2].partition(".")
    shown = (whole.lstrip("0") or "0") + (point + part).rstrip("0").rstrip(".")
    return Based(found[1] + shown, base)


def read_choice(text: str) -> Choice | None:
    """`C) 12`, `(E)`, `E: the fifth`. What follows the letter must be an answer too, and no second thought."""
    found = CHOICE.fullmatch(text)
    if not found:
        return None
    rest = " ".join((found[3] or "").split())
    if OTHER_CHOICE.search(rest) or set(re.findall(r"[a-z']+", rest.lower())) & SECOND_THOUGHTS:
        raise UnreadableError("a choice, and then a second thought")
    form = read_tokens(tokenize(rest)) if rest else None
    if isinstance(form, Words) and any(character.isdigit() for character in form.text):
        raise UnreadableError("a choice, and then words with a number")
    return Choice(found[1] or found[2] or found[4], rest)


def unbox(tokens: Tokens) -> Tokens:
    """Without a box around all of it."""
    while len(tokens) > 3 and tokens[0].kind == "boxed" and tokens[1].kind == "{" and tokens[-1].kind == "}":
        tokens = tokens[2:-1]
    return tokens


def strip_tail(tokens: Tokens) -> Tokens:
    """Without `for all x \\in \\mathbb{R}`, which the question says too; it may name a domain and nothing else."""
    for at, token in enumerate(tokens):
        begun = " ".join(token.text for token in tokens[at : at + 2])
        if at and token.kind in ("text", "word", "name") and (TAIL.fullmatch(token.text) or TAIL.match(begun)):
            tail = tokens[at + 1 :]
            said = re.findall(r"[a-z-]+", " ".join(t.text for t in tokens[at:] if t.kind in ("text", "word")).lower())
            named = any(t.kind == "name" for t in tail)
            if named and all(t.kind in DOMAIN for t in tail) and set(said[2:]) <= DOMAIN_WORDS:
                return drop_comma(tokens[:at])
    for at in range(len(tokens) - 1, 1, -1):
        if tokens[at].kind == "," and is_domain(tokens[at + 1 :]):
            return tokens[:at]
        if tokens[at].kind == "(" and tokens[-1].kind == ")" and is_domain(tokens[at + 1 : -1]):
            return drop_comma(tokens[:at])
    return tokens


def is_domain(tokens: Tokens) -> bool:
    """`k \\in \\mathbb{Z}`."""
    kinds = [token.kind for token in tokens]
    return kinds[:3] == ["name", "in", "mathbb"] and set(kinds) <= DOMAIN


def drop_comma(tokens: Tokens) -> Tokens:
    """The comma before a tail."""
    return tokens[:-1] if tokens and tokens[-1].kind == "," else tokens


def read_tokens(tokens: Sequence[Token]) -> Form:
    """One item, or a list of them."""
    if not tokens:
        raise UnreadableError("it is empty")
    items, between = separate(tokens)
    if len(items) == 1:
        several = flat([read_related(items[0])])
        return several[0] if len(several) == 1 else Listing(tuple(several))
    if len(items) > MOST_ITEMS:
        raise UnreadableError(f"a list of more than {MOST_ITEMS} items")
    forms = [read_related(item) for item in items]
    if between == {"or"} and (region := union(forms)) is not None:
        return region
    if any(isinstance(form, Region) for form in forms) and between & {"or"}:
        raise UnreadableError("a union of different things")
    return Listing(tuple(flat(forms)))


def flat(forms: Sequence[Form]) -> list[Form]:
    """The two of a plus-or-minus are items of their own; a label stays with each."""
    items: list[Form] = []
    for form in forms:
        match form:
            case Listing(items=inner, braces=False):
                items += inner
            case Label(name=name, arguments=arguments, form=Listing(items=inner, braces=False)):
                items += [Label(name, arguments, item) for item in inner]
            case _:
                items.append(form)
    return items


def readable(answer: str) -> bool:
    """Whether the reader understands an answer."""
    try:
        read(answer)
    except UnreadableError:
        return False
    return True
