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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from vineppo.errors import UserError
from vineppo.rng import derive_seed
from vineppo.seams import Split
from vineppo.settings.shapes import ANSWER
from vineppo.tasks.arithmetic import OPERANDS, Habits, apply, make_habits, number_verdicts
from vineppo.tasks.generated import Generated, GeneratedTask, fresh
from vineppo.tasks.settings import Demonstration
from vineppo.types import Judgement, Question

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

NAMES = "xyzuvw"
ASSIGN = "="
SETS, COPIES = 0.1, 0.2
"""Shares of instructions that set a register to a number, or to another register's value."""


class RegistersTask(GeneratedTask):
    """Small programs over a few registers, executed one instruction a line; many lines do not matter for the answer."""

    name: Literal["registers"] = "registers"
    instructions: int = Field(default=16, ge=1, le=200)
    """Instructions in a program; each is one line of the solution."""
    registers: int = Field(default=3, ge=1, le=6)
    """Registers; one of them is asked for in the end."""
    modulus: int = Field(default=50, ge=10, le=1000)
    """Numbers live in 0 .. modulus - 1."""
    operators: str = Field(default="+-*", min_length=1, pattern=r"^[+\-*]+$")
    """Which operators occur, besides setting a register to a number or to another register."""
    least_that_matter: int = Field(default=4, ge=0)
    """Programs have at least so many instructions that the answer depends on."""
    habits: int = Field(default=12, ge=0)
    """Demonstrations only: how many (operator, operand) pairs carry a habitual error."""
    habit_probability: float = Field(default=0.6, ge=0, le=1)
    """Demonstrations only: how often a habit strikes where it applies."""

    line_tokens: ClassVar[int] = 8
    well_formed: ClassVar[str] = "well-formed lines of 8"

    def build(self) -> "Registers":
        """The task."""
        return Registers(
            instructions=self.instructions,
            registers=self.registers,
            modulus=self.modulus,
            operators=self.operators,
            least_that_matter=self.least_that_matter,
            train_questions=self.train_questions,
            test_questions=self.test_questions,
            seed=self.seed,
        )

    @property
    def solution_lines(self) -> int:
        """One an instruction."""
        return self.instructions

    @property
    def longest_prompt(self) -> int:
        """Instructions and first values, with room."""
        return 3 * self.instructions + 2 * self.registers + 8

    def demonstrations(self, rng: random.Random) -> Iterator[Demonstration]:
        """With habits."""
        task = self.build()
        habits = make_habits(
            operators=self.operators, count=self.habits, probability=self.habit_probability, seed=self.seed
        )
        return fresh(lambda: task.random_program(rng), task.is_test, partial(demonstrate, habits=habits, rng=rng))

    def tokenizer(self) -> "PreTrainedTokenizerFast":
        """Of numbers below the modulus, signs and registers."""
        from vineppo.tasks.arithmetic_tokenizer import SIGNS, build_tokenizer

        return build_tokenizer(self.modulus, (*SIGNS, ";", *NAMES))


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
        return number_verdicts(questions, responses)

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
