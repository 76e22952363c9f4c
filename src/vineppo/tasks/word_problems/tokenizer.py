"""A Hugging Face tokenizer for word problems: one token a word, a number, a sign, each with the space before it.

It is an ordinary fast tokenizer, as in `vineppo.tasks.arithmetic_tokenizer`. A sentence's first word has no space
before it: that belongs to the full stop. So a sentence begins in the story as its line does in the solution.
"""

import re
from collections.abc import Iterator
from itertools import pairwise, permutations

from transformers import PreTrainedTokenizerFast

from vineppo.tasks.arithmetic_tokenizer import word_level
from vineppo.tasks.word_problems import phrases
from vineppo.tasks.word_problems.story import MONTHS, NUMBERS, PEOPLE, Sentence

KNOWN = "|".join(str(number) for number in reversed(NUMBERS))
PIECES = rf"\. | ?[A-Za-z]+(?:'s)?| (?:{KNOWN})(?![0-9])| [-+*/=]|####|[\s\S]"
CHARACTERS = "0123456789 .,:?+-*/=\n"
"""Numbers outside `NUMBERS`, or without a space before them, become their digits."""


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Tokens for all that a story or its solution can say."""
    return word_level(sorted({piece for text in _texts() for piece in re.findall(PIECES, text)}), PIECES)


def _texts() -> Iterator[str]:
    yield from (*CHARACTERS, "So")
    yield from (f"In {month}" for month in MONTHS)
    yield from (f" {number}" for number in NUMBERS)
    yield from ("####", " + - * / =")
    for who, other in permutations(PEOPLE, 2):
        yield from map(_in_full, _sentences(who, other))
    for who, other in pairwise((*PEOPLE, PEOPLE[0])):
        for things in phrases.THINGS:
            yield f"{phrases.opening({who: 5, other: 5, '': 5}, things)} {phrases.how_many(who, things)}"
        yield phrases.how_much(who)


def _sentences(who: str, other: str) -> Iterator[Sentence]:
    for phrase in phrases.CHANGES:
        yield from (phrases.change(phrase, who, other, number) for number in phrase.numbers)
    yield phrases.giving(who, other, 2)
    yield from (phrases.parts(kind, who, 2, 2) for kind in range(len(phrases.PARTS)))
    yield phrases.price(who, 2)
    yield phrases.restart(who, 5)


def _in_full(sentence: Sentence) -> str:
    return " ".join(["", sentence.text, *(step.words.format(right=2) for step in sentence.steps)])
