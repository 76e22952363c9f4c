"""A policy of three tokens that can be enumerated, under any sampling law, and a task that rewards its responses."""

from collections.abc import Callable, Sequence
from functools import cache

import torch

from vineppo.engines.fake import FakeEngine
from vineppo.engines.torch.law import sampling_logprobs
from vineppo.environment import Environment
from vineppo.stops import before_stop
from vineppo.types import Judgement, Outcome, Question, Sampling, Scored, Trajectory

END, LIMIT, PROMPT = 0, 8, (1,)
QUESTION = Question(id="q", prompt="?", answer="")
PLAIN = Sampling(max_new_tokens=LIMIT)
SHARP = Sampling(temperature=0.6, top_p=0.9, max_new_tokens=LIMIT)
STOPPED = Sampling(max_new_tokens=LIMIT, stop=("12",))
"""A 2 that follows a 1 of the response ends it; the prompt's 1 does not count."""


def chances(prefix: tuple[int, ...]) -> list[float]:
    """What comes next depends on the last token and on how long the prefix is; it is almost sure after two 2s."""
    tilt = 0.12 * (len(prefix) % 3)
    if prefix[-2:] == (2, 2):
        return [0.005, 0.99, 0.005]
    return {1: [0.1, 0.5 - tilt, 0.4 + tilt], 2: [0.05 + tilt, 0.6, 0.35 - tilt]}[prefix[-1]]


def reward_of(response: tuple[int, ...]) -> float:
    """1 when the finished response holds an even number of 2s."""
    return float(response.count(2) % 2 == 0)


def slips(prefix: tuple[int, ...]) -> list[float]:
    """Another policy: six tokens, each of them a 2 but for rare slips."""
    return [1.0, 0.0, 0.0] if len(prefix) == 7 else [0.0, 0.15, 0.85]


def without_slips(response: tuple[int, ...]) -> float:
    """Its task: 1 where there is none."""
    return float(1 not in response)


def digits(token_ids: Sequence[int]) -> str:
    """How responses are written."""
    return "".join(map(str, token_ids))


class Tabular:
    """The policy under one sampling law."""

    def __init__(
        self,
        sampling: Sampling,
        chances: Callable[[tuple[int, ...]], list[float]] = chances,
        reward: Callable[[tuple[int, ...]], float] = reward_of,
    ):
        self.sampling = sampling
        self._chances = chances
        self._reward = reward
        self.law: Callable[[tuple[int, ...]], list[float]] = cache(self._law)
        self.value: Callable[[tuple[int, ...]], float] = cache(self._value)

    def _law(self, prefix: tuple[int, ...]) -> list[float]:
        logits = torch.tensor([self._chances(prefix)]).log()
        return sampling_logprobs(logits, self.sampling)[0].double().exp().tolist()

    def _value(self, response: tuple[int, ...]) -> float:
        """By enumeration: expected reward from a state, 0 when the limit cuts it off."""
        if self.is_over(response):
            return self._reward(tuple(map(int, before_stop(digits(response), self.sampling.stop))))
        if len(response) == LIMIT:
            return 0.0
        return sum(p * self.value((*response, token)) for token, p in enumerate(self.law(PROMPT + response)) if p)

    def is_over(self, response: tuple[int, ...]) -> bool:
        """Whether it ended by itself."""
        return response[-1:] == (END,) or any(stop in digits(response) for stop in self.sampling.stop)

    def environment(self) -> Environment:
        """Its engine is new and knows its requests."""
        return Environment(
            engine=FakeEngine(self.law, end_ids=(END,), decode=digits),
            task=_Rewarded(self._reward),
            encode=lambda prompt: PROMPT,
            decode=digits,
        )

    def trajectories(self, count: int, *, seed: int, step: int = 2) -> list[Scored]:
        """A group, cut into steps of so many tokens."""
        environment = self.environment()
        group = environment.sample([QUESTION], count=count, sampling=self.sampling, seed=seed)
        judged = environment.judge_trajectories(group)
        return [
            Scored(trajectory=own, judgement=judgement, bounds=every(step, own))
            for own, judgement in zip(group, judged, strict=True)
        ]


def every(step: int, trajectory: Trajectory) -> tuple[int, ...]:
    """Bounds every so many tokens."""
    return (*range(0, len(trajectory.response_ids), step), len(trajectory.response_ids))


class _Rewarded:
    """Responses are written as digits."""

    def __init__(self, reward: Callable[[tuple[int, ...]], float]):
        self._reward = reward

    def questions(self, split: str) -> list[Question]:
        return [QUESTION]

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        return [Judgement(reward=self._reward(tuple(map(int, own))), outcome=Outcome.SCORED) for own in responses]
