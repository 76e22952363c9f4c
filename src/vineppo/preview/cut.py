"""A solution and where it is cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from vineppo.seams import Segmenter
from vineppo.types import Finish, Question, Trajectory


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """One solution in steps."""

    steps: tuple[str, ...]
    lengths: tuple[int, ...]
    """Of each step, in tokens or characters."""

    @property
    def length(self) -> int:
        """Of the whole solution."""
        return sum(self.lengths)


def cut_characters(segment: Segmenter, text: str) -> Cut:
    """As if every character were a token."""
    return cut(segment, range(len(text)), list(text), [0.0] * len(text))


def cut(segment: Segmenter, token_ids: Sequence[int], pieces: Sequence[str], logprobs: Sequence[float]) -> Cut:
    """As the loop would cut this response. An empty one has no steps."""
    if not pieces:
        return Cut(steps=(), lengths=())
    response = Trajectory(
        question=Question(id="", prompt="", answer=""),
        prompt_ids=(),
        response_ids=tuple(token_ids),
        logprobs=tuple(logprobs),
        text="".join(pieces),
        finish=Finish.TERMINATED,
        policy_version=0,
    )
    spans = list(pairwise(segment(response, pieces)))
    return Cut(
        steps=tuple("".join(pieces[start:stop]) for start, stop in spans),
        lengths=tuple(stop - start for start, stop in spans),
    )
