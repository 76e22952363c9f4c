"""Small programs over a few registers, executed one instruction a line, the value of one register last.

    x3y7z2;y+5z*4x=yy=9z-2?x      the prompt: values at the start, instructions, and the register that is asked for
    y7+5=y12                      one line an instruction: the old value, what is done to it, the new one
    z2*4=z8
    x3=y=x12
    y12=9=y9
    z8-2=z6
    ####12                        the answer

Credit assignment has something to do here. An instruction *matters* only if the asked register depends on it: above,
`y+5` and `x=y`. The others are harmless, however wrong they go. An error that reaches a register is mended when that
register is set anew before anything reads it (`y=9`), and is final otherwise. Numbers are taken modulo `modulus`, so
an answer cannot be guessed. Wrong results come from habits, as in `vineppo.tasks.arithmetic`.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.errors import UserError
from vineppo.rng import derive_seed
from vineppo.seams import Split
from vineppo.tasks.arithmetic import ANSWER, OPERANDS, Habits, apply, judge_one
from vineppo.tasks.generated import Generated
from vineppo.types import Judgement, Question

NAMES = "xyzuvw"
ASSIGN = "="
SETS, COPIES = 0.1, 0.2
"""Shares of instructions that set a register to a number, or to another register's value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Instruction:
    """`register operator operand`; the operand of `=` may be another register."""

    register: str
    operator: str
    operand: int | str

    def __str__(self) -> str:
        return f"{self.register}{self.operator}{self.operand}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """Registers with their first values, instructions in order, and which register is asked for."""

    start: tuple[tuple[str, int], ...]
    instructions: tuple[Instruction, ...]
    asked: str
    modulus: int

    @property
    def prompt(self) -> str:
        """What the policy is asked."""
        start = "".join(f"{register}{value}" for register, value in self.start)
        return f"{start};{''.join(map(str, self.instructions))}?{self.asked}\n"

    @property
    def answer(self) -> int:
        """The asked register's value in the end."""
        values = dict(self.start)
        for instruction in self.instructions:
            values[instruction.register] = execute(instruction, values, self.modulus)
        return values[self.asked]

    @property
    def matters(self) -> tuple[bool, ...]:
        """Per instruction, whether the answer depends on its result: read backwards from the asked register."""
        needed, found = {self.asked}, []
        for instruction in reversed(self.instructions):
            found.append(instruction.register in needed)
            if found[-1] and instruction.operator == ASSIGN:
                needed.remove(instruction.register)
                if isinstance(instruction.operand, str):
                    needed.add(instruction.operand)
        return tuple(reversed(found))


def execute(instruction: Instruction, values: dict[str, int], modulus: int) -> int:
    """The new value of the instruction's register."""
    operand = instruction.operand
    if instruction.operator == ASSIGN:
        return values[operand] if isinstance(operand, str) else operand % modulus
    return apply(instruction.operator, values[instruction.register], int(operand), modulus)


def demonstrate(program: Program, habits: Habits, rng: random.Random) -> str:
    """A worked solution; later lines carry on from whatever earlier lines came to."""
    values, lines = dict(program.start), []
    for instruction in program.instructions:
        register, operator, operand = instruction.register, instruction.operator, instruction.operand
        before, result = values[register], execute(instruction, values, program.modulus)
        if operator != ASSIGN:
            result = (result + habits.offset(operator, int(operand), rng)) % program.modulus
        values[register] = result
        lines.append(f"{register}{before}{operator}{operand}={register}{result}\n")
    return f"{''.join(lines)}{ANSWER}{values[program.asked]}"


class Registers:
    """The task. Same seed and knobs, same questions."""

    def __init__(
        self,
        *,
        instructions: int = 16,
        registers: int = 3,
        modulus: int = 50,
        operators: str = "+-*",
        least_that_matter: int = 4,
        train_questions: int = 4000,
        test_questions: int = 400,
        seed: int = 0,
    ):
        self.instructions = instructions
        self.names = NAMES[:registers]
        self.modulus = modulus
        self.operators = "".join(sorted(set(operators)))
        if least_that_matter > instructions:
            raise UserError(
                f"task.least_that_matter is {least_that_matter}, but a program has only {instructions} instructions; "
                f"set task.least_that_matter to at most {instructions}, well below it, or ask for more instructions"
            )
        self.least_that_matter = least_that_matter
        rng = random.Random(derive_seed(seed, "programs"))
        self._generated = Generated(lambda: self.random_program(rng), train=train_questions, test=test_questions)

    def questions(self, split: Split) -> Sequence[Question]:
        """Train and test never share a prompt."""
        return self._generated.questions(split)

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """1 for the right number after `####`."""
        return [judge_one(q.answer, r) for q, r in zip(questions, responses, strict=True)]

    def random_program(self, rng: random.Random) -> Program:
        """A fresh program of this task's shape, in which enough instructions matter."""
        while True:
            program = Program(
                start=tuple((name, rng.randrange(self.modulus)) for name in self.names),
                instructions=tuple(self._random_instruction(rng) for _ in range(self.instructions)),
                asked=rng.choice(self.names),
                modulus=self.modulus,
            )
            if sum(program.matters) >= self.least_that_matter:
                return program

    def is_test(self, program: Program) -> bool:
        """Whether a program belongs to the test split, and so must not be demonstrated."""
        return self._generated.is_test(program)

    def _random_instruction(self, rng: random.Random) -> Instruction:
        register, kind = rng.choice(self.names), rng.random()
        if kind < COPIES and len(self.names) > 1:
            other = rng.choice([name for name in self.names if name != register])
            return Instruction(register=register, operator=ASSIGN, operand=other)
        if kind < COPIES + SETS:
            return Instruction(register=register, operator=ASSIGN, operand=rng.randrange(self.modulus))
        return Instruction(register=register, operator=rng.choice(self.operators), operand=rng.choice(OPERANDS))
