"""What tasks have whose questions are rows of a data set, put into a template."""

import random
from collections.abc import Callable, Iterator
from typing import Annotated, ClassVar, Protocol

from pydantic import Field

from vineppo.seams import Split, Task
from vineppo.settings.places import on_disk
from vineppo.settings.shapes import Shape, even_shape
from vineppo.tasks.settings import Demonstration, TaskSettings
from vineppo.tasks.templates import Wording, choose_wording
from vineppo.types import Prompt


class TemplatedTask(TaskSettings):
    """Its settings."""

    subset: str | None = None
    """The Hub dataset's configuration; in a folder, the folder of that name where there is one."""
    template: str | None = None
    """The prompt, or with `chat` what a user says: text in which `{question}` is replaced, or a preset: paper, boxed,
    answer, plain. null: the task's own words."""
    chat: bool | None = None
    """Questions are posed by the policy's own chat template. null: where it has one and `template` is null."""
    held_out: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] | None = None
    """Where there is no test split: so many rows of the train split, or such a share, drawn from `seed`, make one."""
    seed: int = 0
    """Draws them."""

    @property
    def text_template(self) -> str:
        """What `template` is where nothing is said, for prompts of text."""
        return "paper"

    @property
    def chat_template(self) -> str:
        """The same for what a user says to a chat model."""
        return "plain"

    @property
    def wording(self) -> Wording:
        """How its questions become prompts."""
        return choose_wording(self.chat, self.template, text=self.text_template, message=self.chat_template)

    def ask(self, question: str, *, where: str) -> Prompt:
        """In its words."""
        return self.wording([question])[0]

    @property
    def places(self) -> dict[str, str]:
        """Folders, files or Hub names that its rows come from, by setting."""
        return {}

    def sizes(self) -> tuple[int, int] | None:
        """Read, where all lie on this disk."""
        there = [on_disk(f"task.{name}", place) for name, place in self.places.items()]  # whichever is amiss is told
        if not there or not all(there):
            return None
        task = self.build()
        return len(task.questions("train")), len(task.questions("test"))

    @property
    def unjudged(self) -> str:
        """Its answers are written as `response` says."""
        return ""


class Solved(Task, Protocol):
    """A task whose rows have worked solutions."""

    def demonstrations(self, split: Split) -> list[Demonstration]:
        """Pairs of prompt and response, which begins with the line break that a prompt of text leaves to it."""
        ...


class WorkedTask(TemplatedTask):
    """What those have whose rows hold worked solutions of a known kind."""

    solution: ClassVar[tuple[int, int]]
    """Its tokens and steps, typically."""

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

    def demonstrations(self, rng: random.Random) -> Iterator[Demonstration]:
        """Any of the gold solutions, again and again."""
        known = self.build().demonstrations("train")
        while True:
            yield rng.choice(known)
