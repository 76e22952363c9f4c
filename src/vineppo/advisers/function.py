"""A Python function as adviser: for tasks whose solutions a program can check, and for tests.

def advise(question: vineppo.types.Question, steps: Sequence[str]) -> str
"""

from collections.abc import Callable, Sequence
from typing import Literal, cast

from vineppo.advisers.settings import Adviser, AdviserParts, AdviserSettings, Answer, Answers, Inquiry
from vineppo.errors import UserError
from vineppo.named import load_named
from vineppo.seams import Progress
from vineppo.types import Question

FORM = "write the function as FILE.py:NAME, e.g. examples/arithmetic_adviser.py:critique"

Advise = Callable[[Question, Sequence[str]], str]
"""A question and the steps of a response to what a model would have written."""


class FunctionAdviser(AdviserSettings):
    """A Python function of question and steps, which answers as a model would."""

    name: Literal["function"] = "function"
    function: str = ""
    """FILE.py:NAME; called as NAME(question, steps), it returns text."""

    def build(self, parts: AdviserParts) -> Adviser:
        """Load it."""
        where = f"{parts.where}.function"
        found = load_named(self.function, where=where, form=FORM)
        if not callable(found):
            raise UserError(f"{where} {self.function!r} is {type(found).__name__}, not a function; {FORM}")
        return Scripted(cast(Advise, found), where)

    @property
    def converses(self) -> bool:
        """It sees what the inquiry is about."""
        return False

    @property
    def longest(self) -> int:
        """It decodes nothing."""
        return 0


class Scripted:
    """Answers by a function."""

    def __init__(self, advise: Advise, where: str):
        self._advise, self._where = advise, where

    def __call__(
        self,
        inquiries: Sequence[Inquiry],
        *,
        count: int,
        seed: int,
        temperature: float | None = None,
        progress: Progress | None = None,
    ) -> Answers:
        """The same answer `count` times. Raises UserError where it is no text."""
        return [(self._answer(inquiry),) * count for inquiry in inquiries]

    def _answer(self, inquiry: Inquiry) -> Answer:
        text = self._advise(inquiry.question, inquiry.steps)
        if not isinstance(text, str):
            raise UserError(f"{self._where} returned {type(text).__name__} {text!r}; return text")
        return Answer(text=text, tokens=0)
