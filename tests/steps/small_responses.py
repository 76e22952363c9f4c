"""Trajectories of which only the response matters."""

from collections.abc import Sequence
from itertools import pairwise

from vineppo.types import Finish, Question, Trajectory


def response(token_ids: Sequence[int], text: str = "", logprobs: Sequence[float] | None = None) -> Trajectory:
    return Trajectory(
        question=Question(id="q", prompt="", answer=""),
        prompt_ids=(0,),
        response_ids=tuple(token_ids),
        logprobs=tuple(logprobs) if logprobs is not None else (0.0,) * len(token_ids),
        text=text,
        finish=Finish.TERMINATED,
        policy_version=0,
    )


def steps_of(segmenter, pieces: Sequence[str]) -> list[str]:
    """The text of each step."""
    bounds = segmenter(response(range(len(pieces)), "".join(pieces)), pieces)
    return ["".join(pieces[start:stop]) for start, stop in pairwise(bounds)]


def characters(segmenter, text: str) -> list[str]:
    """The steps of a text whose tokens are characters."""
    return steps_of(segmenter, list(text))
