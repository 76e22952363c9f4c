"""Chains of modular arithmetic, solved one operation a line, the answer last.

    12*7+5=?          the prompt
    12*7=34           one line an operation, left to right, modulo 50
    34+5=39
    ####39            the answer

Everything derives from a seed. Demonstrations may carry *habits*: certain (operator, operand) pairs whose result is
off by a fixed amount with some probability. A policy trained on them knows the right result and the wrong one, and the
chain's outcome says little about which line went astray: work for credit assignment.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from vineppo.errors import UserError
from vineppo.rng import derive_seed
from vineppo.seams import Split
from vineppo.settings.shapes import ANSWER, mean
from vineppo.tasks.generated import Generated, GeneratedTask, fresh
from vineppo.tasks.settings import Demonstration, Verdicts
from vineppo.tasks.words import one_line
from vineppo.types import Judgement, Outcome, Question

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

OPERANDS = range(2, 10)
CHAIN = re.compile(r"\d+([+\-*]\d)+")


class ArithmeticTask(GeneratedTask):
    """Chains of modular arithmetic, solved one operation a line."""

    name: Literal["arithmetic"] = "arithmetic"
    operations: int = Field(default=8, ge=1, le=200)
    """Operations in a chain; each is one line of the solution."""
    fewest_operations: int | None = Field(default=None, ge=1)
    """Chains of mixed difficulty: as many operations as this up to `operations`, evenly spread; none: always
    `operations`."""
    modulus: int = Field(default=50, ge=10, le=1000)
    """Numbers live in 0 .. modulus - 1."""
    operators: str = Field(default="+-*", min_length=1, pattern=r"^[+\-*]+$")
    """Which operators occur."""
    habits: int = Field(default=10, ge=0)
    """Demonstrations only: how many (operator, operand) pairs carry a habitual error."""
    habit_probability: float = Field(default=0.6, ge=0, le=1)
    """Demonstrations only: how often a habit strikes where it applies."""

    line_tokens: ClassVar[int] = 6
    well_formed: ClassVar[str] = "well-formed lines of 6"

    def build(self) -> "Arithmetic":
        """The task."""
        return Arithmetic(
            operations=self.operations,
            fewest_operations=self.fewest_operations,
            modulus=self.modulus,
            operators=self.operators,
            train_questions=self.train_questions,
            test_questions=self.test_questions,
            seed=self.seed,
        )

    @property
    def solution_lines(self) -> int:
        """One an operation."""
        fewest = self.operations if self.fewest_operations is None else self.fewest_operations
        return mean(fewest, self.operations)

    @property
    def longest_prompt(self) -> int:
        """Operator and operand, with room."""
        return 3 * self.operations + 8

    def demonstrations(self, rng: random.Random) -> Iterator[Demonstration]:
        """With habits."""
        task = self.build()
        habits = make_habits(
            operators=self.operators, count=self.habits, probability=self.habit_probability, seed=self.seed
        )
        return fresh(lambda: task.random_chain(rng), task.is_test, partial(demonstrate, habits=habits, rng=rng))

    def tokenizer(self) -> "PreTrainedTokenizerFast":
        """Of numbers below the modulus, and signs."""
        from vineppo.tasks.arithmetic_tokenizer import build_tokenizer

        return build_tokenizer(self.modulus)

    def verdicts(self) -> Verdicts:
        """As its own."""
        return number_verdicts

    def ask(self, question: str, *, where: str) -> str:
        """A chain, with or without its question mark."""
        chain = question.strip().removesuffix("?").removesuffix("=")
        if not CHAIN.fullmatch(chain):
            raise UserError(
                f"{where}: {one_line(repr(question), 60)} is no chain such as '12*7+5', which task arithmetic asks "
                "for; set task=gsm8k (answers after ####), task=math (in a box) or task=dataset"
            )
        return f"{chain}=?\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """start, then (operator, operand) pairs applied left to right modulo `modulus`."""

    start: int
    links: tuple[tuple[str, int], ...]
    modulus: int

    @property
    def prompt(self) -> str:
        """What the policy is asked."""
        return f"{self.start}{''.join(f'{operator}{operand}' for operator, operand in self.links)}=?\n"

    @property
    def answer(self) -> int:
        """What the chain comes to."""
        value = self.start
        for operator, operand in self.links:
            value = apply(operator, value, operand, self.modulus)
        return value


def apply(operator: str, left: int, right: int, modulus: int) -> int:
    """One operation, modulo `modulus`."""
    match operator:
        case "+":
            return (left + right) % modulus
        case "-":
            return (left - right) % modulus
        case "*":
            return (left * right) % modulus
        case _:
            raise ValueError(f"operator {operator!r} is none of + - *")


@dataclass(frozen=True, kw_only=True, slots=True)
class Habits:
    """Which (operator, operand) pairs go wrong, by how much, how often."""

    offsets: dict[tuple[str, int], int]
    probability: float

    def offset(self, operator: str, operand: int, rng: random.Random) -> int:
        """What to add to the right result this time."""
        wrong = self.offsets.get((operator, operand), 0)
        return wrong if wrong and rng.random() < self.probability else 0


def make_habits(*, operators: str, count: int, probability: float, seed: int) -> Habits:
    """`count` distinct pairs with offsets in 1..9, drawn from the seed."""
    rng = random.Random(derive_seed(seed, "habits"))
    pairs = [(operator, operand) for operator in operators for operand in OPERANDS]
    chosen = rng.sample(pairs, min(count, len(pairs)))
    return Habits(offsets={pair: rng.randint(1, 9) for pair in chosen}, probability=probability)


def demonstrate(chain: Chain, habits: Habits, rng: random.Random) -> str:
    """A worked solution; later lines carry on from whatever an earlier line came to."""
    lines, value = [], chain.start
    for operator, operand in chain.links:
        right = apply(operator, value, operand, chain.modulus)
        result = (right + habits.offset(operator, operand, rng)) % chain.modulus
        lines.append(f"{value}{operator}{operand}={result}\n")
        value = result
    return f"{''.join(lines)}{ANSWER}{value}"


def read_answer(response: str) -> int | None:
    """The number after the last `####`, with or without a space, or None.

    More than nine digits are none: int() raises on thousands.
    """
    found = re.search(rf"{ANSWER} ?(\d{{1,9}})\s*\Z", response)
    return int(found[1]) if found else None


class Arithmetic:
    """The task. Same seed and knobs, same questions."""

    def __init__(
        self,
        *,
        operations: int = 8,
        fewest_operations: int | None = None,
        modulus: int = 50,
        operators: str = "+-*",
        train_questions: int = 4000,
        test_questions: int = 400,
        seed: int = 0,
    ):
        self.operations = range(operations if fewest_operations is None else fewest_operations, operations + 1)
        """How many a chain may have."""
        if not self.operations:
            raise UserError(
                f"task.fewest_operations is {fewest_operations}, but task.operations is only {operations}; "
                f"set task.fewest_operations to at most {operations}"
            )
        self.modulus = modulus
        self.operators = "".join(sorted(set(operators)))
        self._check_enough(train_questions, test_questions)
        rng = random.Random(derive_seed(seed, "chains"))
        self._generated = Generated(lambda: self.random_chain(rng), train=train_questions, test=test_questions)

    def questions(self, split: Split) -> Sequence[Question]:
        """Train and test never share a prompt."""
        return self._generated.questions(split)

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """1 for the right number after `####`."""
        return number_verdicts(questions, responses)

    def random_chain(self, rng: random.Random) -> Chain:
        """A fresh chain of this task's shape."""
        # Where there is nothing to choose, nothing is drawn: questions of one length stay what they always were.
        operations = rng.choice(self.operations) if len(self.operations) > 1 else self.operations[0]
        links = tuple((rng.choice(self.operators), rng.choice(OPERANDS)) for _ in range(operations))
        return Chain(start=rng.randrange(self.modulus), links=links, modulus=self.modulus)

    def is_test(self, chain: Chain) -> bool:
        """Whether a chain belongs to the test split, and so must not be demonstrated."""
        return self._generated.is_test(chain)

    def _check_enough(self, train: int, test: int) -> None:
        distinct = self.modulus * sum((len(self.operators) * len(OPERANDS)) ** count for count in self.operations)
        if train + test > distinct // 2:
            raise UserError(
                f"task.train_questions {train} + task.test_questions {test} is more than half of the {distinct} chains "
                f"with task.operations {self.operations[-1]}; ask for fewer questions or more operations"
            )


def number_verdicts(questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
    """1 for the right number after `####`."""
    return [judge_one(q.answer, r) for q, r in zip(questions, responses, strict=True)]


def judge_one(answer: str, response: str) -> Judgement:
    """Compare the number after `####` with the gold answer."""
    found = read_answer(response)
    if found is None:
        return Judgement(reward=0.0, outcome=Outcome.UNPARSEABLE)
    right = found == int(answer)
    return Judgement(reward=float(right), outcome=Outcome.CORRECT if right else Outcome.WRONG)
