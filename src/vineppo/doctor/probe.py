"""Continuations for looking at: sampled by the engine, scored by the learner."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from statistics import fmean

from vineppo.doctor.budget import SIZES, Size
from vineppo.environment import Environment
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.passes import Passes
from vineppo.learner.scores import score
from vineppo.rng import derive_seed
from vineppo.types import Completion, PromptAndResponse, Question, Request, Sampling


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """Continuations with the log-probs that the engine gave them."""

    tokens: tuple[PromptAndResponse, ...]
    """Prefix and continuation."""
    logprobs: tuple[tuple[float, ...], ...]
    trajectories: int
    """How many of them, before the rollouts."""
    versions: frozenset[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Of log-probs, in absolute terms."""

    mean: float
    largest: float
    tokens: int


@dataclass(frozen=True, kw_only=True)
class Probe:
    """The same prefixes with the same seeds, again and again.

    Neither top-p nor top-k: the learner does not apply them, so that only without them should both agree.
    """

    environment: Environment
    scorer: TokenLogprobs
    questions: Sequence[Question]
    sampling: Sampling
    passes: Passes
    size: Size = SIZES[0]
    """Of the look."""

    def sample(self) -> Sampled:
        """Trajectories, and rollouts that branch off half-way: the engine has their keys and values from before."""
        engine, law, size = self.environment.engine, self.law, self.size
        prompts = [self.environment.encode(question.prompt) for question in self.questions[: size.questions]]
        first = [
            Request(prefix=prompt, count=size.count, seed=derive_seed(0, "doctor", prompt), branches=True)
            for prompt in prompts
        ]
        trajectories = engine.sample(first, law)
        second = [
            half_way(request, completion)
            for request, group in zip(first, trajectories, strict=True)
            for completion in group
        ]
        rollouts = engine.sample(second, law)
        pairs = [
            (request.prefix, completion)
            for request, group in zip([*first, *second], [*trajectories, *rollouts], strict=True)
            for completion in group
        ]
        return Sampled(
            tokens=tuple(
                PromptAndResponse(token_ids=prefix + own.token_ids, prompt_length=len(prefix)) for prefix, own in pairs
            ),
            logprobs=tuple(completion.logprobs for _, completion in pairs),
            trajectories=sum(map(len, trajectories)),
            versions=frozenset(completion.policy_version for _, completion in pairs),
        )

    def score(self, sampled: Sampled) -> list[list[float]]:
        """The learner's log-probs of the same tokens, under the weights it has now."""
        return [own.tolist() for own in score(self.scorer, sampled.tokens, passes=self.passes)]

    @property
    def law(self) -> Sampling:
        """What is sampled from."""
        shorter = min(self.sampling.max_new_tokens, self.size.tokens)
        return replace(self.sampling, top_p=1.0, top_k=0, max_new_tokens=shorter)


def half_way(request: Request, completion: Completion) -> Request:
    """A rollout from the middle of a continuation."""
    written = completion.token_ids[: len(completion.token_ids) // 2]
    prefix = request.prefix + written
    return Request(prefix=prefix, count=1, seed=derive_seed(0, "doctor half-way", prefix), position=len(written))


def difference(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> Difference:
    """Token by token. nan where either has no finite log-prob."""
    pairs = zip(chain.from_iterable(one), chain.from_iterable(other), strict=True)
    apart = [abs(a - b) for a, b in pairs]
    return Difference(mean=fmean(apart), largest=max(apart), tokens=len(apart))
