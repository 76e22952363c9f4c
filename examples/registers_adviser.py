"""A critic for programs over registers that is never wrong, because it executes them. From the repository's root:

vineppo train configs/registers.yaml credit=capo \\
  credit.adviser.name=function credit.adviser.function=examples/registers_adviser.py:critique
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vineppo.tasks.registers import Instruction, Program, execute
from vineppo.types import Question, prompt_text

MODULUS = 50
INSTRUCTION = re.compile(r"([a-z])([+\-*=])(\d+|[a-z])")
LINE = re.compile(r"([a-z])(\d+)([+\-*=])(\d+|[a-z])=\1(\d+)\n?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """A step, given the steps before it."""

    should_be: str
    is_right: bool
    matters: bool
    """Whether the answer depends on it."""


def critique(question: Question, steps: Sequence[str]) -> str:
    """Names the lines that execute something else than their instruction."""
    wrong = [number for number, step in enumerate(checked(question, steps), 1) if not step.is_right]
    return f"Wrong steps: {', '.join(map(str, wrong)) or 'none'}"


def intervene(question: Question, steps: Sequence[str]) -> str:
    """The first wrong line that the answer depends on, as it should be. The answer itself must not be told."""
    lines = list(checked(question, steps))[: len(program_of(question).instructions)]
    for number, line in enumerate(lines, 1):
        if line.matters and not line.is_right:
            return f"<location>{number}</location>\n<intervention>{line.should_be}</intervention>"
    return "There is no wrong line."


def checked(question: Question, steps: Sequence[str]) -> Iterator[Checked]:
    """Every step, against the values that the steps before it came to."""
    program = program_of(question)
    values = dict(program.start)
    for place, step in enumerate(steps):
        if place >= len(program.instructions):  # the answer, and whatever comes after it
            should_be = f"####{values[program.asked]}" if place == len(program.instructions) else ""
            yield Checked(should_be=should_be, is_right=step.strip() == should_be, matters=True)
            continue
        instruction = program.instructions[place]
        register, before = instruction.register, values[instruction.register]
        result = execute(instruction, values, program.modulus)
        should_be = f"{register}{before}{instruction.operator}{instruction.operand}={register}{result}"
        yield Checked(should_be=should_be, is_right=step.strip() == should_be, matters=program.matters[place])
        line = LINE.fullmatch(step)
        values[register] = int(line[5]) if line and line[1] == register else result


def program_of(question: Question) -> Program:
    """What the prompt says."""
    start, rest = prompt_text(question.prompt).strip().split(";")
    instructions, asked = rest.split("?")
    return Program(
        start=tuple((name, int(value)) for name, value in re.findall(r"([a-z])(\d+)", start)),
        instructions=tuple(
            Instruction(register=name, operator=operator, operand=int(operand) if operand.isdigit() else operand)
            for name, operator, operand in INSTRUCTION.findall(instructions)
        ),
        asked=asked,
        modulus=MODULUS,
    )
