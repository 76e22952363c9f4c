"""What a curriculum answers, and what it must be able to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from vineppo.curriculum.attempts import Attempts
from vineppo.metrics import Metrics
from vineppo.types import Question

if TYPE_CHECKING:
    from vineppo.progress import Display

State = dict[str, Any]
"""Of JSON's types."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The questions of one iteration, all of them distinct."""

    questions: list[Question]
    attempts: Mapping[str, Attempts] = field(default_factory=dict)
    """By question id: attempts of the policy as it is now that are to be trained on, equally many for each question;
    empty where all trajectories are still to be sampled."""
    metrics: Metrics = field(default_factory=dict)
    """`tokens/curriculum` counts the attempts that are not handed on above: those are the trajectories' tokens."""

    @property
    def reused(self) -> int:
        """Attempts handed on, per question."""
        return len(next(iter(self.attempts.values()), ()))


class Curriculum(Protocol):
    """One way of choosing."""

    def choose(self, iteration: int, display: "Display") -> Choice:
        """The questions of iteration 1, 2, ..."""
        ...

    def state(self) -> State:
        """All that choosing depends on besides the weights, the seed and the iteration."""
        ...

    def restore(self, state: State) -> None:
        """Continue where `state` was taken."""
        ...
