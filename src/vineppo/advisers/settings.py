"""What is asked of every adviser, and what it is built from. Torch-free.

An adviser answers inquiries in words: another policy on an engine of ours, an OpenAI-compatible endpoint, or a Python
function. What its answers mean is for whoever asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pydantic import Field

from vineppo.seams import Engine, Progress
from vineppo.settings.memory import Part
from vineppo.settings.strict import Variant
from vineppo.types import Message, Question

if TYPE_CHECKING:
    from vineppo.policy import Policy


TYPICAL_ANSWER = 40
"""Tokens that an answer is assumed to have for each step that it goes through."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inquiry:
    """One conversation, which the adviser goes on with."""

    messages: tuple[Message, ...]
    question: Question
    """What it is about."""
    steps: tuple[str, ...]
    """[N] texts of the response that it is about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the adviser wrote."""

    text: str
    tokens: int
    """Decoded for it; also when it was looked up, so that a run that goes on counts like one that never stopped."""


Answers = list[tuple[Answer, ...]]
"""One tuple an inquiry."""


class Adviser(Protocol):
    """Whoever answers."""

    def __call__(
        self,
        inquiries: Sequence[Inquiry],
        *,
        count: int,
        seed: int,
        temperature: float | None = None,
        progress: Progress | None = None,
    ) -> Answers:
        """`count` answers to each inquiry, in order. temperature: None takes the settings'."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class AdviserParts:
    """What an adviser may be built from."""

    where: str
    """The section that it stands in, which opens complaints, e.g. credit.critic."""
    open_engine: "Callable[[Policy], Engine] | None" = None
    """The run's kind of engine around another policy; None where there is none to be had."""
    on_main: Callable[[Callable[[], Answers]], Answers] = lambda ask: ask()
    """Asks in the main process alone, and tells all others."""


class AdviserSettings(Variant):
    """What every adviser has."""

    temperature: float = Field(default=0.7, ge=0)
    """Of its answers; several of the same inquiry differ only where it is above 0."""
    max_new_tokens: int = Field(default=1024, ge=1)
    """A longer answer is cut off."""

    def build(self, parts: AdviserParts) -> Adviser:
        """The adviser at work. Raises UserError where it cannot be."""
        raise NotImplementedError(f"{type(self).__name__}.build")

    @property
    def converses(self) -> bool:
        """Whether it reads the messages, and not only question and steps."""
        return True

    # --- what it costs, before anything is loaded ---

    @property
    def longest(self) -> int:
        """Tokens of an answer, at most."""
        return self.max_new_tokens

    def typical(self, steps: int) -> int:
        """Tokens of an answer that goes through so many steps; a guess."""
        return min(self.longest, TYPICAL_ANSWER * (steps + 1))

    def memory(self, *, gpu: bool) -> Part | str | None:
        """What is held of it on the run's device, or why that cannot be told. gpu: whether that is one."""
        return None
