"""A critic for chains of arithmetic that is never wrong, because a program can check them. From the repository's root:

vineppo train configs/arithmetic.yaml credit=capo \\
  credit.adviser.name=function credit.adviser.function=examples/arithmetic_adviser.py:critique
"""

import re
from collections.abc import Sequence

from vineppo.tasks.arithmetic import apply
from vineppo.types import Question, prompt_text

MODULUS = 50
LINE = re.compile(r"(\d+)([+\-*])(\d+)=(\d+)\n?")


def critique(question: Question, steps: Sequence[str]) -> str:
    """Names the lines that take up something else than where the chain stood, or come to a wrong number."""
    wrong = [number for number, is_right in enumerate(checked(question, steps), 1) if not is_right]
    return f"Wrong steps: {', '.join(map(str, wrong)) or 'none'}"


def intervene(question: Question, steps: Sequence[str]) -> str:
    """The first wrong line as it should be. Nothing where only the answer is wrong: it must not be told."""
    right = checked(question, steps)
    place = right.index(False) if False in right else len(steps)
    chain = prompt_text(question.prompt)
    links = re.findall(r"([+\-*])(\d+)", chain)
    if place >= len(links):
        return "There is no wrong line."
    before = re.search(r"=(\d+)\n?$", steps[place - 1]) if place else re.match(r"(\d+)", chain)
    if before is None:
        return "The lines before cannot be read."
    (operator, operand), value = links[place], before[1]
    line = f"{value}{operator}{operand}={apply(operator, int(value), int(operand), MODULUS)}"
    return f"<location>{place + 1}</location>\n<intervention>{line}</intervention>"


def checked(question: Question, steps: Sequence[str]) -> list[bool]:
    """Whether each step is right, given the steps before it."""
    chain = prompt_text(question.prompt)
    stands, links = re.match(r"\d+", chain), re.findall(r"([+\-*])(\d+)", chain)
    value, found = stands[0] if stands else "", []
    for place, step in enumerate(steps):
        line = LINE.fullmatch(step)
        if line is None:  # the answer, or what is no line at all
            found.append(place >= len(links) and step.strip() == f"####{value}")
            continue
        left, operator, operand, result = line.groups()
        asked = place < len(links) and (left, operator, operand) == (value, *links[place])
        found.append(asked and apply(operator, int(left), int(operand), MODULUS) == int(result))
        value = result
    return found
