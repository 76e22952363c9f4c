"""Questions that a task makes itself: two splits of distinct puzzles, in a fixed order."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import ClassVar, Generic, Protocol, TypeVar

from pydantic import Field

from vineppo.seams import Split
from vineppo.settings.shapes import ANSWER, Shape, lines_shape
from vineppo.tasks.gsm8k import read_marked
from vineppo.tasks.settings import Demonstration, TaskSettings
from vineppo.types import Question


class Puzzle(Protocol):
    """What is asked, and the right answer."""

    @property
    def prompt(self) -> str:
        """What the policy is asked."""
        ...

    @property
    def answer(self) -> int:
        """What it comes to."""
        ...


P = TypeVar("P", bound=Puzzle)


class GeneratedTask(TaskSettings):
    """What tasks have that make their questions and read a number after `####`."""

    train_questions: int = Field(default=4000, ge=1)
    """Distinct ones to train on."""
    test_questions: int = Field(default=400, ge=1)
    """Distinct ones to evaluate on, none of them among the training questions."""
    seed: int = 0
    """Generates the questions; train and test are disjoint."""

    line_tokens: ClassVar[int]
    """Of a line of a solution, as far as that can be said."""
    well_formed: ClassVar[str]
    """The same in words."""

    @property
    def solution_lines(self) -> int:
        """Of a solution, on average, without its answer."""
        raise NotImplementedError(f"{type(self).__name__}.solution_lines")

    def shape(self, limit: int, joins: Callable[[str], bool]) -> Shape:
        """Line by line, then the answer."""
        return lines_shape(self.solution_lines, self.line_tokens, answer_is_step=not joins(ANSWER))

    @property
    def shape_reason(self) -> str:
        """The form that is asked for."""
        return f"{self.solution_lines} {self.well_formed} tokens, then {ANSWER}, the number and the end"

    @property
    def made(self) -> tuple[int, int]:
        """As many as are asked for."""
        return self.train_questions, self.test_questions

    def read_answer(self, value: object) -> str | None:
        """The number after `####`, or the number."""
        return read_marked(value, ANSWER)

    @property
    def answer_remedy(self) -> str:
        """What would be read."""
        return "give a number"

    @property
    def unjudged(self) -> str:
        """It can be tried."""
        return ""

    def response(self, answer: str) -> str:
        """The number after `####`."""
        return f"{ANSWER}{answer}"

    def another(self, answer: str) -> str:
        """One more."""
        return str(Decimal(answer) + 1)


def fresh(draw: Callable[[], P], is_test: Callable[[P], bool], solve: Callable[[P], str]) -> Iterator[Demonstration]:
    """New puzzles that are none of the test split's, with their solutions."""
    while True:
        puzzle = draw()
        if not is_test(puzzle):
            yield puzzle.prompt, solve(puzzle)


class Generated(Generic[P]):
    """Train and test never share a prompt. `draw` makes puzzles until there are enough distinct ones."""

    def __init__(self, draw: Callable[[], P], *, train: int, test: int):
        puzzles: dict[str, P] = {}
        while len(puzzles) < train + test:
            puzzle = draw()
            puzzles.setdefault(puzzle.prompt, puzzle)
        everything = list(puzzles.values())
        self._puzzles: dict[Split, list[P]] = {"test": everything[:test], "train": everything[test:]}
        self._test_prompts = frozenset(puzzle.prompt for puzzle in everything[:test])

    def questions(self, split: Split) -> Sequence[Question]:
        """All of a split."""
        return [
            Question(id=f"{split}-{i}", prompt=puzzle.prompt, answer=str(puzzle.answer))
            for i, puzzle in enumerate(self._puzzles[split])
        ]

    def is_test(self, puzzle: P) -> bool:
        """Whether a puzzle belongs to the test split, and so must not be demonstrated."""
        return puzzle.prompt in self._test_prompts
