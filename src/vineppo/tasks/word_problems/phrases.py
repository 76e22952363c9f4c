"""What can happen in a story, in words and in steps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vineppo.tasks.word_problems.story import Sentence, Step

THINGS = ("apples", "books", "coins", "marbles", "shells", "stamps")
BATCH, DOLLARS = "batch", "dollars"
"""Quantities that nobody owns: what comes in several parts, and what things are sold for."""
FEW, SEVERAL, TIMES = range(2, 7), range(2, 4), range(2, 4)


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrase:
    """A sentence of one step."""

    words: str
    operator: str
    numbers: Sequence[int] = FEW
    compares: bool = False
    """Whether the quantity is stated anew from another's, instead of changed."""


CHANGES = (
    Phrase(words="{who} buys {number}", operator="+"),
    Phrase(words="{who} finds {number}", operator="+"),
    Phrase(words="{who} loses {number}", operator="-"),
    Phrase(words="{who} sells {number}", operator="-"),
    Phrase(words="{who} has {times} as many as before", operator="*", numbers=TIMES),
    Phrase(words="{who} keeps one of {number} equal parts", operator="/", numbers=TIMES),
    Phrase(words="{who} has {number} more than {other}", operator="+", compares=True),
    Phrase(words="{who} has {number} fewer than {other}", operator="-", compares=True),
    Phrase(words="{who} has {times} as many as {other}", operator="*", numbers=TIMES, compares=True),
)
GIVING = "{who} gives {other} {number}"
PARTS = ("{parts} bags of {number}", "{number} a day for {parts} days")
VERBS = ("buys", "earns")
"""One of each for a sentence of parts."""
PRICE = "{who} sells all for {number} dollars each"
RESTART = "{who} starts again with {number}"


def change(phrase: Phrase, who: str, other: str, number: int) -> Sentence:
    """A sentence of one step."""
    times = "twice" if number == 2 else f"{number} times"
    words = phrase.words.format(who=who, other=other, number=number, times=times)
    left = other if phrase.compares else who
    return _said(
        words,
        Step(quantity=who, words=words, left=left, operator=phrase.operator, right=number, phrase=phrase.words),
    )


def giving(who: str, other: str, number: int) -> Sentence:
    """From one to another: a step for each."""
    words = GIVING.format(who=who, other=other, number=number)
    given = Step(quantity=who, words=words, left=who, operator="-", right=number, phrase=GIVING)
    return _said(words, given, _gets(other, number))


def parts(kind: int, who: str, number: int, count: int) -> Sentence:
    """So many parts of so many: what they come to, and who gets that."""
    words = PARTS[kind].format(number=number, parts=count)
    left, right = (count, number) if kind == 0 else (number, count)
    batch = Step(quantity=BATCH, words=words, left=left, operator="*", right=right, phrase=PARTS[kind])
    return _said(f"{who} {VERBS[kind]} {words}", batch, _gets(who, BATCH))


def price(who: str, number: int) -> Sentence:
    """Everything is sold."""
    words = PRICE.format(who=who, number=number)
    return _said(words, Step(quantity=DOLLARS, words=words, left=who, operator="*", right=number, phrase=PRICE))


def restart(who: str, number: int) -> Sentence:
    """Whatever there was is forgotten."""
    words = RESTART.format(who=who, number=number)
    return _said(words, Step(quantity=who, words=words, left=number))


def phrases() -> Iterator[tuple[str, int]]:
    """Each that may be misread, with each number it can have."""
    for phrase in CHANGES:
        yield from ((phrase.words, number) for number in phrase.numbers)
    yield from ((GIVING, number) for number in FEW)
    yield from ((each, number) for each in PARTS for number in SEVERAL)
    yield from ((PRICE, number) for number in TIMES)


def opening(start: Mapping[str, int], things: str) -> str:
    """How a story opens."""
    *others, last = (f"{who}'s {number}" for who, number in start.items())
    return f"There are {', '.join(others)} and {last} {things}."


def how_many(who: str, things: str) -> str:
    """How it ends, most often."""
    return f"How many {things} does {who} have now?"


def how_much(who: str) -> str:
    """How it ends after a sale."""
    return f"How many dollars does {who} get?"


def _said(words: str, *steps: Step) -> Sentence:
    return Sentence(text=f"{words}.", steps=steps)


def _gets(who: str, right: int | str) -> Step:
    return Step(quantity=who, words=f"{who} gets {{right}}", left=who, operator="+", right=right)
