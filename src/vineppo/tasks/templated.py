"""What tasks have whose questions are rows of a data set, put into a template."""

import random
from collections.abc import Callable, Iterator
from typing import ClassVar, Protocol

from pydantic import Field

from vineppo.seams import Split, Task
from vineppo.settings.shapes import Shape, even_shape
from vineppo.tasks.settings import Demonstration, TaskSettings
from vineppo.tasks.templates import TEMPLATES, fill


class TemplatedTask(TaskSettings):
    """Its settings."""

    subset: str | None = None
    """The Hub dataset's configuration; in a folder, the folder of that name where there is one."""
    template: str = TEMPLATES["paper"]
    """The prompt; `{question}` is replaced. Or a preset: paper, boxed, answer, plain."""
    held_out: int | None = Field(default=None, ge=1)
    """Where there is no test split: so many rows of the train split, drawn from `seed`, make one."""
    seed: int = 0
    """Draws them."""

    def ask(self, question: str, *, where: str) -> str:
        """In the template."""
        return fill(self.template, [question])[0]

    @property
    def unjudged(self) -> str:
        """Its answers are written as `response` says."""
        return ""


class Solved(Task, Protocol):
    """A task whose rows have worked solutions."""

    def demonstrations(self, split: Split) -> list[Demonstration]:
        """Pairs of prompt and response."""
        ...


class WorkedTask(TemplatedTask):
    """What those have whose rows hold worked solutions of a known kind."""

    solution: ClassVar[tuple[int, int]]
    """Its tokens and steps, typically."""
    test_questions: ClassVar[int]
    """Of the well-known test split."""

    def build(self) -> Solved:
        """The task."""
        raise NotImplementedError(f"{type(self).__name__}.build")

    def shape(self, limit: int, joins: Callable[[str], bool]) -> Shape:
        """A typical one."""
        return even_shape(*self.solution)

    @property
    def shape_reason(self) -> str:
        """From what is known."""
        return "a typical worked solution, its steps evenly long"

    def test_size(self, asked: int | None) -> int:
        """The well-known one."""
        return self.test_questions

    def demonstrations(self, rng: random.Random) -> Iterator[Demonstration]:
        """Any of the gold solutions, again and again."""
        known = self.build().demonstrations("train")
        while True:
            yield rng.choice(known)
