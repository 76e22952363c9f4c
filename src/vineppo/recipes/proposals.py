"""InT's words: how an adviser is asked for an intervention, and how its proposal is read. Ours; the authors' are in
their repository. Pure.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.types import Message, Question, prompt_text

SOLVE = """\
Solve this problem. A reference solution is given; use it.

Problem:
{problem}

Reference solution:
{reference}"""

PROPOSE = """\
Below is a student's wrong attempt at the problem, in {count} numbered steps.
{context}
Attempt:
{steps}

{where} Write a step to put in its place: in the student's voice, taking up what stands before it, and leading on the \
right way without giving the answer of the problem away.

Ask yourself: does the step hold the answer? does it lack the idea that matters? does the mistake stand before it? \
Then end with exactly these tags:
<location>number of the step that is replaced</location>
<intervention>the new step</intervention>"""

FIND = """\
Check every step in turn, and say of each whether it is right. Find the first critical error: the first step that is \
wrong and that the attempt does not recover from later."""
GIVEN = "The attempt goes wrong at step {location}."

LOCATION = re.compile(r"<location>\s*(\d+)\s*</location>", re.IGNORECASE)
CONTENT = re.compile(r"<intervention>(.*?)</intervention>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A step to put in the place of one of an attempt's."""

    location: int
    """The step replaced, counted from 0."""
    content: str


def solve_messages(question: Question, reference: str) -> tuple[Message, ...]:
    """First turn: the problem, with the solution in view."""
    text = SOLVE.format(problem=prompt_text(question.prompt).strip(), reference=reference)
    return (Message(role="user", content=text),)


def propose_messages(
    question: Question, reference: str, steps: Sequence[str], *, solved: str | None, location: int | None
) -> tuple[Message, ...]:
    """Second turn, or the only one. solved: the answer to the first. location: where values say it goes wrong."""
    problem = f"\nProblem:\n{prompt_text(question.prompt).strip()}\n\nReference solution:\n{reference}\n"
    text = PROPOSE.format(
        count=len(steps),
        context="" if solved is not None else problem,
        steps="\n".join(f"<step {number}>\n{text.strip()}\n</step {number}>" for number, text in enumerate(steps, 1)),
        where=FIND if location is None else GIVEN.format(location=location + 1),
    )
    asked = Message(role="user", content=text)
    if solved is None:
        return (asked,)
    return (*solve_messages(question, reference), Message(role="assistant", content=solved), asked)


def read_proposal(text: str, *, num_steps: int) -> Proposal | None:
    """The last location and the last step it ends with; None where one is missing, empty, or at a step there is not."""
    locations, contents = LOCATION.findall(text), CONTENT.findall(text)
    if not locations or not contents or not contents[-1].strip():
        return None
    location = int(locations[-1]) - 1
    return Proposal(location=location, content=contents[-1].strip()) if 0 <= location < num_steps else None


def leaks(content: str, answer: str) -> bool:
    """Whether the answer stands in it, as the authors see it: as a piece of the text."""
    return bool(answer.strip()) and answer.strip() in content


def like(step: str, content: str) -> str:
    """The content, ended as the step it replaces was."""
    return content + (step[len(step.rstrip()) :] or "\n")


def largest_drop(advantages: Sequence[float], errors: Sequence[float] | None, *, significant: float) -> int | None:
    """The step that lost most value, [N] advantages and their standard errors; None where none lost significantly."""
    known = errors or [0.0] * len(advantages)
    lost = [k for k, (a, e) in enumerate(zip(advantages, known, strict=True)) if a < -max(significant * e, 1e-9)]
    return min(lost, key=lambda k: advantages[k]) if lost else None
