"""The four Protocols of the house. Nothing else is pluggable."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from vineppo.types import Completion, Credit, Judgement, Question, Request, Sampling, Scored, Trajectory

if TYPE_CHECKING:
    from torch import Tensor

Split = Literal["train", "test"]

Progress = Callable[[int, int], None]
"""Called with (done, total) while long work runs."""


class Engine(Protocol):
    """Whatever samples continuations of token prefixes. Tokens in, tokens out: nothing is re-tokenised."""

    @property
    def policy_version(self) -> int:
        """The version of the weights that sample now."""
        ...

    def sample(
        self, requests: Sequence[Request], sampling: Sampling, *, progress: Progress | None = None
    ) -> list[tuple[Completion, ...]]:
        """One tuple of `request.count` completions per request, in order.

        Each ends with an end token, with the token after which the response, `request.written` included, holds one of
        `sampling.stop` (`vineppo.engines.stops`), or at its limit.
        """
        ...

    def load_weights(self, state: "Mapping[str, Tensor]", *, policy_version: int) -> None:
        """Take new weights. Everything cached under the old ones is dropped."""
        ...

    def sleep(self) -> None:
        """Nothing will be sampled for a while: what shares a device with the learner frees it. The next call wakes."""
        ...


class Task(Protocol):
    """Where questions come from and how a response is judged."""

    def questions(self, split: Split) -> Sequence[Question]:
        """All questions of a split, in a fixed order."""
        ...

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """Judge finished responses, one per question. Batched, so that a judge may work in parallel."""
        ...


class Segmenter(Protocol):
    """Cuts a response into steps."""

    def __call__(self, trajectory: Trajectory, token_texts: Sequence[str]) -> tuple[int, ...]:
        """Boundaries 0 = b_0 < ... < b_N = T in token indices. `token_texts` are [T] pieces that join to the text."""
        ...


class CreditAssigner(Protocol):
    """Says what each token of each trajectory earned."""

    def __call__(self, trajectories: Sequence[Scored], *, seed: int, progress: Progress | None = None) -> list[Credit]:
        """One credit per trajectory, in order. All randomness derives from `seed`."""
        ...
