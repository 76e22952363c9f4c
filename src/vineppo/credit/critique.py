"""How a critic is asked which steps of a response are wrong, and how its answer is read. Words of ours: the paper's are
in an appendix that was not to be had.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from vineppo.types import Critique, Message, Question, Scored, prompt_text

TASK = """\
You check solutions step by step. Below is a problem, {reference}and a student's solution in {count} numbered steps.

Problem:
{problem}
{answer}
Solution:
{steps}

Go through all steps in order. A step is wrong if it makes a mistake of its own: a false statement or calculation, a \
conclusion that does not follow, a misreading of the problem. A step that carries on correctly from an earlier mistake \
is not wrong, and neither is one that is merely clumsy or unnecessary.

Say briefly what you find at each step. Then end with exactly one line that lists the numbers of the wrong steps, or \
none:
Wrong steps: 2, 5
or
Wrong steps: none"""

VERDICT = re.compile(
    r"wrong steps?\W*:\W*(none\b|\d+(?:\s*(?:,|;|and|&)\s*(?:and\s+)?\d+)*)[^\S\n]*\W*$", re.IGNORECASE
)
"""At the end of the critique."""


def inquiry_messages(question: Question, steps: Sequence[str], *, reference: bool) -> tuple[Message, ...]:
    """What the critic reads. reference: with the gold answer, where the question has one."""
    known = reference and bool(question.answer)
    text = TASK.format(
        reference="its right answer " if known else "",
        count=len(steps),
        problem=prompt_text(question.prompt).strip(),
        answer=f"\nRight answer: {question.answer}\n" if known else "",
        steps="\n".join(f"<step {number}>\n{text.strip()}\n</step {number}>" for number, text in enumerate(steps, 1)),
    )
    return (Message(role="user", content=text),)


def step_texts(scored: Scored, decode: Callable[[Sequence[int]], str]) -> tuple[str, ...]:
    """[N] what each step adds to the text."""
    ids = scored.trajectory.response_ids
    ends = [len(decode(ids[:bound])) for bound in scored.bounds]
    return tuple(scored.trajectory.text[start:stop] for start, stop in pairwise(ends))


def read_critique(text: str, *, num_steps: int, tokens: int) -> Critique:
    """The steps that it ends by naming; None where it names none that there are, and does not say `none` either."""
    found = VERDICT.search(text.strip())
    if found is None:
        return Critique(wrong=None, text=text, tokens=tokens)
    wrong = tuple(sorted({int(number) - 1 for number in re.findall(r"\d+", found[1])}))
    are_there = all(0 <= step < num_steps for step in wrong)
    return Critique(wrong=wrong if are_there else None, text=text, tokens=tokens)
