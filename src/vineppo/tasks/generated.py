"""Questions that a task makes itself: two splits of distinct puzzles, in a fixed order."""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from vineppo.seams import Split
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
