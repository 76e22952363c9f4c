"""For methods that learn from stretches of one advantage, each once, some of them later than they were sampled.

An iteration's stretches, of trajectories and of branches, join those that wait. At random, so many of each question
and so many in all are learned from now; the others wait, until they are too old. A stretch is a sample of its own: what
came before it is its prompt. One that waited keeps the log-probs that it was sampled with.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

from vineppo.credit.settings import Replay
from vineppo.learner.samples import to_branch_sample, to_sample
from vineppo.metrics import Metrics
from vineppo.rng import derive_seed
from vineppo.types import Credit, Sample, Scored


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """One that waits."""

    question: str
    born: int
    """The iteration that sampled it."""
    sample: Sample


class ReplayBuffer:
    """Whose turn it is."""

    def __init__(self, limits: Replay, *, seed: int):
        self._limits, self._seed = limits, seed
        self._waiting: list[Stretch] = []

    def draw(self, iteration: int, scored: Sequence[Scored], credits: Sequence[Credit]) -> tuple[list[Sample], Metrics]:
        """What to learn from in an iteration that brought these. Not twice for the same one: it takes them out."""
        limits = self._limits
        there = [own for own in self._waiting if iteration - own.born < limits.age]
        there += [own for pair in zip(scored, credits, strict=True) for own in fresh(*pair, iteration)]
        rng = random.Random(derive_seed(self._seed, "replay", iteration))
        chosen, taken = set[int](), Counter[str]()
        for place in rng.sample(range(len(there)), len(there)):
            question = there[place].question
            if taken[question] < limits.per_question and len(chosen) < limits.per_iteration:
                chosen.add(place)
                taken[question] += 1
        self._waiting = [own for place, own in enumerate(there) if place not in chosen]
        drawn = [own for place, own in enumerate(there) if place in chosen]
        older = sum(own.born < iteration for own in drawn)
        metrics = {
            "replay/samples": float(len(drawn)),
            "replay/older": older / max(len(drawn), 1),
            "replay/waiting": float(len(self._waiting)),
        }
        return [replace(own.sample, replayed=own.born < iteration) for own in drawn], metrics

    def state(self) -> list[dict[str, Any]]:
        """Those that wait, as JSON has it."""
        return [asdict(own) for own in self._waiting]

    def restore(self, state: Sequence[dict[str, Any]]) -> None:
        """As they were."""
        self._waiting = [
            Stretch(question=own["question"], born=own["born"], sample=_sample(own["sample"])) for own in state
        ]


def fresh(scored: Scored, credit: Credit, iteration: int) -> Iterator[Stretch]:
    """Of a trajectory and its branches."""
    whole = [to_sample(scored, credit), *(to_branch_sample(scored, branch) for branch in credit.branches)]
    for sample in whole:
        for own in stretches(sample):
            yield Stretch(question=scored.trajectory.question.id, born=iteration, sample=own)


def stretches(sample: Sample) -> Iterator[Sample]:
    """Runs of equal advantages, as samples; those that teach nothing are left out."""
    start = 0
    for _, run in groupby(sample.advantages):
        span = slice(start, start := start + len(list(run)))
        if any(sample.learned[span]):
            begins = sample.prompt_length + span.start
            yield Sample(
                token_ids=sample.token_ids[: sample.prompt_length + span.stop],
                prompt_length=begins,
                logprobs=sample.logprobs[span],
                advantages=sample.advantages[span],
                mask=None if sample.mask is None else sample.mask[span],
            )


def _sample(state: dict[str, Any]) -> Sample:
    mask = state["mask"]
    return Sample(
        token_ids=tuple(state["token_ids"]),
        prompt_length=state["prompt_length"],
        logprobs=tuple(state["logprobs"]),
        advantages=tuple(state["advantages"]),
        mask=None if mask is None else tuple(mask),
    )
