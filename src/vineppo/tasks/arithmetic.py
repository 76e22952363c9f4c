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
from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.errors import UserError
from vineppo.rng import derive_seed
from vineppo.seams import Split
from vineppo.tasks.generated import Generated
from vineppo.types import Judgement, Outcome, Question

ANSWER = "####"
OPERANDS = range(2, 10)


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
        return [judge_one(q.answer, r) for q, r in zip(questions, responses, strict=True)]

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


def judge_one(answer: str, response: str) -> Judgement:
    """Compare the number after `####` with the gold answer."""
    found = read_answer(response)
    if found is None:
        return Judgement(reward=0.0, outcome=Outcome.UNPARSEABLE)
    right = found == int(answer)
    return Judgement(reward=float(right), outcome=Outcome.CORRECT if right else Outcome.WRONG)
