"""One answer against its gold answer: the outcome, and why. Pure; the same on every machine, loaded or not."""

from dataclasses import dataclass
from functools import lru_cache

from vineppo.tasks.judge.answers.forms import (
    Based,
    Chain,
    Choice,
    Clock,
    Congruence,
    Form,
    Label,
    Listing,
    Matrix,
    Ratio,
    Region,
    Row,
    UnreadableError,
    Value,
    Words,
)
from vineppo.tasks.judge.answers.reading import read
from vineppo.tasks.judge.answers.rules import same, stands_for
from vineppo.tasks.judge.answers.spelling import normalise
from vineppo.types import Outcome

MAX_ANSWER = 1000
"""Characters. The longest gold answer of MATH has fewer than 200; what is longer is not read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the reader made of a text: a form, or the reason for refusing it."""

    form: Form | None
    refusal: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The outcome, how both sides were read, and by which rule they were compared."""

    outcome: Outcome
    rule: str
    gold: Reading
    answer: Reading


NOTHING = Reading(None, "no answer was found")


@lru_cache(maxsize=4096)
def try_read(text: str) -> Reading:
    """A form or a refusal. A gold answer is met many times."""
    if len(text) > MAX_ANSWER:
        return Reading(None, f"it has more than {MAX_ANSWER} characters")
    try:
        return Reading(read(text))
    except UnreadableError as error:
        return Reading(None, str(error))


def judge(answer: str | None, gold: str) -> Verdict:
    """The verdict on an answer; None was not found in its response."""
    if answer is None or len(answer) > max(MAX_ANSWER, len(gold)):
        why = NOTHING if answer is None else try_read(answer)
        return Verdict(outcome=Outcome.UNPARSEABLE, rule="not read", gold=try_read(gold), answer=why)
    expected, found = try_read(gold), try_read(answer)
    outcome, rule = compare(expected, found)
    if outcome is not Outcome.CORRECT and same_text(answer, gold):
        outcome, rule = Outcome.CORRECT, "the same text"
    return Verdict(outcome=outcome, rule=rule, gold=expected, answer=found)


def same_answer(left: str, right: str) -> bool:
    """Whether two texts say the same, by the rules that know no gold answer."""
    ours, theirs = try_read(left).form, try_read(right).form
    try:
        return same_text(left, right) or (ours is not None and theirs is not None and same(ours, theirs))
    except (UnreadableError, RecursionError):
        return False


def compare(gold: Reading, answer: Reading) -> tuple[Outcome, str]:
    """By the rules where both could be read."""
    if answer.form is None:
        return Outcome.UNPARSEABLE, "the answer could not be read"
    if gold.form is None:
        return Outcome.WRONG, "the gold answer could not be read, and the answer is not the same text"
    rule = f"{kind(answer.form)} against {kind(gold.form)}"
    try:
        right = same(gold.form, answer.form)
        if not right and stands_for(gold.form, answer.form):
            right, rule = True, f"{rule}, as the gold answer allows"
    except UnreadableError as error:
        return Outcome.UNPARSEABLE, f"{rule}: {error}"
    except RecursionError:
        return Outcome.UNPARSEABLE, f"{rule}: nested too deep"
    return Outcome.CORRECT if right else Outcome.WRONG, rule


def same_text(answer: str, gold: str) -> bool:
    """Whether they differ in nothing but how they are set; a text must have something to say."""
    if len(answer) > 2 * MAX_ANSWER or len(gold) > 2 * MAX_ANSWER:
        return answer == gold
    if not any(character.isalnum() for character in answer):
        return False
    try:
        return answer == gold or normalise(answer) == normalise(gold)
    except UnreadableError:
        return False


def kind(form: Form) -> str:
    """The name that docs/judge.md has for it."""
    return KINDS[type(form)]


KINDS: dict[type, str] = {
    Value: "value",
    Words: "words",
    Choice: "choice",
    Clock: "time",
    Based: "number in a base",
    Ratio: "ratio",
    Listing: "list",
    Row: "tuple or interval",
    Region: "region",
    Matrix: "matrix",
    Label: "label",
    Chain: "equation or inequality",
    Congruence: "congruence",
}
