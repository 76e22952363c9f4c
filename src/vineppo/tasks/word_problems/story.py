"""A word problem and its worked solution, one step a line.

    There are Anna's 12 and Ben's 7 stamps. In January Anna buys 5. In February Anna gives Ben 4. In March Ben buys 3
    bags of 2. In April Anna starts again with 30. How many stamps does Ben have now?

    In January Anna buys 5: Anna's 12 + 5 = Anna's 17
    In February Anna gives Ben 4: Anna's 17 - 4 = Anna's 13
    Ben gets 4: Ben's 7 + 4 = Ben's 11
    In March 3 bags of 2: 3 * 2 = 6
    Ben gets 6: Ben's 11 + 6 = Ben's 17
    In April Anna starts again with 30: Anna's 30
    So Ben's 17
    #### 17

Months say what comes next, and it is said whose a number is: so a small model finds its place in the story.

Credit assignment has something to do here. A line *matters* only if the answer depends on it: above, the third to the
fifth. The others are harmless, however wrong they go. An error is mended when the quantity that it reached is stated
anew before anything reads it (`starts again with 30`, `has 4 more than Ben`), and is final otherwise.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vineppo.settings.shapes import ANSWER
from vineppo.tasks.word_problems.misreadings import Misreadings

PEOPLE = ("Anna", "Ben", "Clara", "David", "Emma", "Felix")
"""Quantities of these names are somebody's; others are nobody's."""
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
"""One a sentence."""
NUMBERS = range(1, 50)
"""All there are in a story and in its solution."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A line of the solution: what `quantity` comes to. Operands are numbers or the names of quantities."""

    quantity: str
    words: str
    """How the line begins; `{right}` stands for the right operand."""
    left: int | str
    operator: str = "="
    """One of + - * / or, where there is nothing to calculate, =."""
    right: int | str = 0
    phrase: str = ""
    """Which of the story's phrases says so, where it may be misread."""

    @property
    def reads(self) -> frozenset[str]:
        """The quantities it depends on."""
        return frozenset(operand for operand in (self.left, self.right) if isinstance(operand, str))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentence:
    """What the story says, and what it takes to work it out."""

    text: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """Quantities with their first values, what happens to them, and which of them is asked for."""

    opening: str
    start: tuple[tuple[str, int], ...]
    sentences: tuple[Sentence, ...]
    question: str
    asked: str

    @property
    def prompt(self) -> str:
        """What the policy is asked."""
        told = (f"In {month} {sentence.text}" for month, sentence in zip(MONTHS, self.sentences, strict=False))
        return " ".join([self.opening, *told, self.question]) + "\n"

    @property
    def steps(self) -> tuple[Step, ...]:
        """Of all sentences, in order."""
        return tuple(step for sentence in self.sentences for step in sentence.steps)

    @property
    def words(self) -> tuple[str, ...]:
        """Per step, how its line begins: a sentence's first line with the month."""
        return tuple(
            f"In {month} {step.words}" if step is sentence.steps[0] else step.words
            for month, sentence in zip(MONTHS, self.sentences, strict=False)
            for step in sentence.steps
        )

    @property
    def answer(self) -> int:
        """What the asked quantity comes to."""
        values = follow(self.steps, dict(self.start))
        assert values is not None, "stories are made so that they work out"
        return values[self.asked]

    @property
    def matters(self) -> tuple[bool, ...]:
        """Per step, whether the answer depends on its result: read backwards from the asked quantity."""
        needed, found = {self.asked}, []
        for step in reversed(self.steps):
            found.append(step.quantity in needed)
            if found[-1]:
                needed = needed - {step.quantity} | step.reads
        return tuple(reversed(found))


def calculate(left: int, operator: str, right: int) -> int | None:
    """The result, or None where it is none of `NUMBERS`."""
    match operator:
        case "=":
            result = left
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "*":
            result = left * right
        case "/":
            result = left // right if left % right == 0 else 0
        case _:
            raise ValueError(f"operator {operator!r} is none of = + - * /")
    return result if result in NUMBERS else None


def follow(steps: Sequence[Step], values: Mapping[str, int]) -> dict[str, int] | None:
    """All quantities after these steps, or None where a result is none of `NUMBERS`."""
    after = dict(values)
    for step in steps:
        result = calculate(valued(step.left, after), step.operator, valued(step.right, after))
        if result is None:
            return None
        after[step.quantity] = result
    return after


def valued(operand: int | str, values: Mapping[str, int]) -> int:
    """A number, or what a quantity is."""
    return values[operand] if isinstance(operand, str) else operand


def named(operand: int | str, value: int) -> str:
    """The number, and whose it is."""
    return f"{operand}'s {value}" if operand in PEOPLE else str(value)


def demonstrate(story: Story, misreadings: Misreadings, rng: random.Random) -> str:
    """A worked solution; later lines carry on from whatever earlier lines came to.

    A phrase is misread only where the rest of the story, read rightly, still works out: every line is true arithmetic.
    """
    values, lines = dict(story.start), []
    for index, (step, words) in enumerate(zip(story.steps, story.words, strict=True)):
        left, right = valued(step.left, values), valued(step.right, values)
        operator = misreadings.read(step.phrase, step.operator, right, rng)
        result = calculate(left, operator, right)
        if result is None or follow(story.steps[index + 1 :], values | {step.quantity: result}) is None:
            operator, result = step.operator, calculate(left, step.operator, right)
        assert result is not None, "what is read rightly works out"
        values[step.quantity] = result
        worked = "" if operator == "=" else f"{named(step.left, left)} {operator} {right} = "
        lines.append(f"{words.format(right=right)}: {worked}{named(step.quantity, result)}\n")
    answer = values[story.asked]
    return f"{''.join(lines)}So {named(story.asked, answer)}\n{ANSWER} {answer}"
