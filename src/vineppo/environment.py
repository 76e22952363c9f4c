"""The language environment: it can be reset to any prefix for free, continued from there, and it judges the end.

Text meets tokens here and nowhere else in the loop: prompts are encoded, finished responses decoded for the judge.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from statistics import fmean

from vineppo.errors import UserError
from vineppo.rng import derive_seed
from vineppo.seams import Engine, Progress, Task
from vineppo.stops import before_stop
from vineppo.types import (
    Completion,
    Finish,
    Judgement,
    Outcome,
    Prompt,
    Question,
    Request,
    Response,
    Rollout,
    Sampling,
    Trajectory,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A question, its prompt, and the part of a response already written."""

    question: Question
    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]
    avoid: tuple[int, ...] = ()
    """Tokens that rollouts must not begin with; the law of the first token is renormalised without them."""

    @property
    def prefix(self) -> tuple[int, ...]:
        """What the policy continues."""
        return self.prompt_ids + self.response_ids


@dataclass(frozen=True, kw_only=True, slots=True)
class Truncation:
    """What becomes of a response that the length limit cut off, trajectory or rollout."""

    reward: float | None = 0.0
    """Whatever it says; None: the task judges it like any other."""
    left_out: bool = False
    """It is neither learned from nor compared with. The reward is then for evaluation and people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """Questions in, judged continuations out."""

    engine: Engine
    task: Task
    encode: Callable[[Prompt], tuple[int, ...]]
    decode: Callable[[Sequence[int]], str]
    """Without tokens that end or pad."""
    opened: Callable[[Prompt], str] = lambda _: ""
    """What the prompt itself begins the response with, often `<think>`: judges see it before what was sampled."""
    truncation: Truncation = Truncation()

    def sample(
        self,
        questions: Sequence[Question],
        *,
        count: int,
        sampling: Sampling,
        seed: int,
        branches: bool = False,
        progress: Progress | None = None,
    ) -> list[Trajectory]:
        """`count` trajectories per question, group after group. `branches`: rollouts will start inside them."""
        prompts = [self.encode(question.prompt) for question in questions]
        requests = [
            Request(prefix=prompt, count=count, seed=derive_seed(seed, question.id), branches=branches)
            for question, prompt in zip(questions, prompts, strict=True)
        ]
        groups = self.engine.sample(requests, sampling, progress=progress)
        return [
            self._trajectory(question, prompt, completion, sampling)
            for question, prompt, group in zip(questions, prompts, groups, strict=True)
            for completion in group
        ]

    def rollouts(
        self,
        states: Sequence[State],
        *,
        count: int | Sequence[int],
        sampling: Sampling,
        seed: int,
        stratified: bool = False,
        progress: Progress | None = None,
    ) -> list[tuple[Rollout, ...]]:
        """`count` judged rollouts from each state, or as many as it says of each.

        Their seeds depend on the state, not on its place in the list. stratified: as of a `Request`.
        """
        counts = [count] * len(states) if isinstance(count, int) else count
        requests = [
            Request(
                prefix=state.prefix,
                count=own,
                seed=derive_seed(seed, state.question.id, state.prefix),
                max_new_tokens=sampling.max_new_tokens - len(state.response_ids),
                forbidden_first=state.avoid,
                position=len(state.response_ids),
                stratified=stratified,
            )
            for state, own in zip(states, counts, strict=True)
        ]
        groups = self.engine.sample(requests, sampling, progress=progress)
        pairs = [(state, completion) for state, group in zip(states, groups, strict=True) for completion in group]
        texts = [self._text(state.response_ids + completion.token_ids, sampling) for state, completion in pairs]
        judgements = self.judge(
            [state.question for state, _ in pairs],
            [Response(t, s.response_ids + c.token_ids) for t, (s, c) in zip(texts, pairs, strict=True)],
            [completion.finish for _, completion in pairs],
        )
        rewards = rollout_rewards([state for state, _ in pairs], judgements)
        judged = iter(
            Rollout(completion=completion, text=text, reward=reward, left_out=judgement.left_out)
            for (_, completion), text, reward, judgement in zip(pairs, texts, rewards, judgements, strict=True)
        )
        return [tuple(next(judged) for _ in group) for group in groups]

    def judge_trajectories(self, trajectories: Sequence[Trajectory]) -> list[Judgement]:
        """One judgement per trajectory, in order."""
        return self.judge(
            [t.question for t in trajectories],
            [Response(t.text, t.response_ids) for t in trajectories],
            [t.finish for t in trajectories],
        )

    def judge(
        self, questions: Sequence[Question], responses: Sequence[str], finishes: Sequence[Finish]
    ) -> list[Judgement]:
        """The task judges what ended by itself, and what the length limit cut off where `truncation` has no reward.

        It sees responses from where the policy was to begin one, though the prompt may have begun it.
        """
        stated, ended = self.truncation.reward, [finish is Finish.TERMINATED for finish in finishes]
        asked = [over or stated is None for over in ended]
        judged = self.task.judge(
            [q for q, wanted in zip(questions, asked, strict=True) if wanted],
            [
                self._from_its_beginning(q, r)
                for q, r, wanted in zip(questions, responses, asked, strict=True)
                if wanted
            ],
        )
        if len(judged) != sum(asked):
            raise UserError(f"the task's judge gave {len(judged)} judgements for {sum(asked)} responses; give one each")
        if strange := [judgement.reward for judgement in judged if not isfinite(judgement.reward)]:
            raise UserError(
                f"the task's judge gave a reward of {strange[0]}; give finite numbers, 0 where there is none"
            )
        verdicts, cut_off = iter(judged), Judgement(reward=stated or 0.0, outcome=Outcome.TRUNCATED)
        found = [next(verdicts) if wanted else cut_off for wanted in asked]
        if not self.truncation.left_out:
            return found
        return [own if over else replace(own, left_out=True) for own, over in zip(found, ended, strict=True)]

    def _text(self, response_ids: Sequence[int], sampling: Sampling) -> str:
        """Up to what ends the response."""
        return before_stop(self.decode(response_ids), sampling.stop)

    def _from_its_beginning(self, question: Question, response: str) -> str:
        begun = self.opened(question.prompt)
        return Response(begun + response, response.token_ids) if isinstance(response, Response) else begun + response

    def _trajectory(
        self, question: Question, prompt: tuple[int, ...], completion: Completion, sampling: Sampling
    ) -> Trajectory:
        return Trajectory(
            question=question,
            prompt_ids=prompt,
            response_ids=completion.token_ids,
            logprobs=completion.logprobs,
            text=self._text(completion.token_ids, sampling),
            finish=completion.finish,
            policy_version=completion.policy_version,
        )


def rollout_rewards(states: Sequence[State], judgements: Sequence[Judgement]) -> list[float]:
    """[N] one each. One that is left out gets the mean of the others from its state, else of its question, else 0: what
    is not known of it moves no value."""
    by_state: dict[State, list[float]] = defaultdict(list)
    by_question: dict[str, list[float]] = defaultdict(list)
    for state, judgement in zip(states, judgements, strict=True):
        if not judgement.left_out:
            by_state[state].append(judgement.reward)
            by_question[state.question.id].append(judgement.reward)

    def of(state: State, judgement: Judgement) -> float:
        if not judgement.left_out:
            return judgement.reward
        return fmean(by_state[state] or by_question[state.question.id] or [0.0])

    return [of(state, judgement) for state, judgement in zip(states, judgements, strict=True)]
