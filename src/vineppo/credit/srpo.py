"""SRPO and RRPO: one failed response of each group is tried again from the middle, as often as the group is large.

    group 1   the question's G trajectories                     A = (R - mean) / std
    group 2   G continuations of one that failed, from where    A likewise, within this group alone
              its step k begins
    loss      - mean over all of A mean_t log pi(token t), over what each wrote itself
    k         any step, at random                               localiser=random, RRPO
              the first one that an adviser names wrong         localiser=adviser, SRPO

arXiv 2605.25507, and its repository Ankur-Samanta/SRPO. The adviser there is the policy itself, at temperature 0.3,
which is told that the answer is wrong, but not which is right. One point with as many continuations as there are fresh
responses (4 and 4) did best. Unlike tree credit (`vineppo.credit.tree_assigner`) it weighs states by how often failures
pass them, and what came before the point learns nothing from what followed: its expected gradient is not that of the
reward.

A branch's tokens are divided by the mean length of the batch's trajectories, like those of all branches
(`vineppo.learner.averages`), so its advantage is multiplied by that over its own length: each counts as one response.

Differs from the paper in: the failure is looked for among the group (there: in up to 12 further responses), and a group
without one has no second group (there: twice as many responses); the learner's ratios and clip are there (where an
iteration makes one update, they are 1 and change nothing); the inquiry's words are those of `vineppo.credit.critique`;
where they name no step, one is drawn at random.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, pstdev
from typing import ClassVar, Literal

from pydantic import Field

from vineppo.advisers.choice import AnyAdviser
from vineppo.advisers.policy import PolicyAdviser
from vineppo.advisers.settings import Adviser, AdviserParts, AdviserSettings, Answer, Inquiry
from vineppo.credit.coupled_assigner import by_question
from vineppo.credit.critique import inquiry_messages, read_critique, step_texts
from vineppo.credit.group import GroupAssigner
from vineppo.credit.settings import CreditParts, CreditSettings
from vineppo.environment import Environment, State
from vineppo.rng import derive_seed
from vineppo.seams import Progress
from vineppo.settings.learner import Average
from vineppo.settings.shapes import Rollouts, Shape
from vineppo.types import Branch, Credit, Critique, Rollout, Sampling, Scored, StateValue

SMALLEST_STD = 1e-8
"""Below it a group has no advantages, as in the authors' code."""


class SrpoCredit(CreditSettings):
    """SRPO, RRPO: GRPO, and a group of continuations from within a response that failed."""

    name: Literal["srpo"] = "srpo"
    localiser: Literal["random", "adviser"] = "random"
    """From where a failed response is tried again: any of its steps (RRPO), or the first that the adviser finds wrong
    (SRPO)."""
    adviser: AnyAdviser = PolicyAdviser(temperature=0.3)
    """Who reads it; asked with localiser=adviser alone."""
    accept: float = Field(default=1.0)
    """A response below this reward failed."""

    learns_from_rollouts: ClassVar[bool] = True
    least_trajectories: ClassVar[int] = 2

    def build(self, parts: CreditParts) -> "SrpoAssigner":
        """The method at work."""
        asks = AdviserParts(where="credit.adviser", open_engine=parts.open_engine, on_main=parts.on_main)
        adviser = None if self.asks is None else self.asks.build(asks)
        return SrpoAssigner(parts.environment, sampling=parts.sampling, accept=self.accept, adviser=adviser)

    @property
    def asks(self) -> AdviserSettings | None:
        """Who localises."""
        return self.adviser if self.localiser == "adviser" else None

    @property
    def average(self) -> Average:
        """Every response has the same weight."""
        return "responses"

    def rollouts_of(self, shape: Shape) -> Rollouts:
        """As if every group held a failure: one for each trajectory, from any step."""
        return Rollouts(count=1, tokens=shape.left // max(len(shape.states), 1))

    def most_tokens(self, shape: Shape) -> int:
        """From the first step."""
        return shape.length

    @property
    def rollouts_in_words(self) -> str:
        """For a batch."""
        return "as many continuations of one failed trajectory as its question has trajectories"

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Of `rollouts_of`."""
        read = () if self.asks is None else ("Not counted: what the adviser decodes, one answer a question.",)
        return ("Every question is assumed to have a trajectory that failed.", *read)

    @property
    def is_unbiased(self) -> bool:
        """States of failures weigh more."""
        return False

    def next_state_only(self) -> None:
        """It has no values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Restart:
    """A failed trajectory that is tried again."""

    scored: Scored
    place: int
    """In the batch."""
    count: int
    """Continuations."""
    step: int
    """From where this one begins."""
    critiques: tuple[Critique, ...] = ()
    """That named it."""

    @property
    def position(self) -> int:
        """Tokens before it."""
        return self.scored.bounds[self.step]

    @property
    def state(self) -> State:
        """The same with its prompt."""
        own = self.scored.trajectory
        return State(question=own.question, prompt_ids=own.prompt_ids, response_ids=own.response_ids[: self.position])


def standardised(rewards: Sequence[float]) -> list[float]:
    """[G] rewards to advantages, by the population's standard deviation; 0 where all are equal."""
    mean, size = fmean(rewards), pstdev(rewards)
    return [0.0 if size < SMALLEST_STD else (reward - mean) / size for reward in rewards]


def branches_of(position: int, rollouts: Sequence[Rollout], *, length: float) -> tuple[Branch, ...]:
    """A branch for each continuation that is not left out. length: of the batch's trajectories, on average."""
    counted = [rollout for rollout in rollouts if not rollout.left_out]
    advantages = standardised([rollout.reward for rollout in counted]) if counted else []
    return tuple(
        Branch(
            position=position,
            completion=own.completion,
            advantages=(advantage * length / len(own.completion.token_ids),) * len(own.completion.token_ids),
        )
        for own, advantage in zip(counted, advantages, strict=True)
    )


class SrpoAssigner:
    """GRPO's credit, and one failed trajectory of each question with its branches."""

    def __init__(
        self,
        environment: Environment,
        *,
        sampling: Sampling,
        accept: float,
        adviser: Adviser | None = None,
    ):
        """adviser: None takes steps at random."""
        self._environment, self._sampling, self._accept, self._adviser = environment, sampling, accept, adviser

    def __call__(self, trajectories: Sequence[Scored], *, seed: int, progress: Progress | None = None) -> list[Credit]:
        """Compare, find failures, try them again, compare."""
        credits = GroupAssigner(standardised)(trajectories, seed=seed)
        length = fmean(len(scored.trajectory.response_ids) for scored in trajectories)
        restarts = self._located(list(self._failures(trajectories, seed)), seed=seed, progress=progress)
        groups = self._environment.rollouts(
            [restart.state for restart in restarts],
            count=[restart.count for restart in restarts],
            sampling=self._sampling,
            seed=derive_seed(seed, "rollouts"),
            progress=progress,
        )
        for restart, own in zip(restarts, groups, strict=True):
            middle = StateValue(position=restart.position, value=fmean(rollout.reward for rollout in own), rollouts=own)
            end = StateValue(position=restart.scored.bounds[-1], value=restart.scored.reward, standard_error=0.0)
            credits[restart.place] = replace(
                credits[restart.place],
                branches=branches_of(restart.position, own, length=length),
                values=(middle, end),
                critiques=restart.critiques,
            )
        return credits

    def _failures(self, trajectories: Sequence[Scored], seed: int) -> Iterator[Restart]:
        """One of each question that has any, at any step."""
        for group in by_question(trajectories):
            failed = [place for place in group if self._failed(trajectories[place])]
            if failed:
                rng = random.Random(derive_seed(seed, "failures", trajectories[group[0]].trajectory.question.id))
                place = rng.choice(failed)
                scored = trajectories[place]
                yield Restart(scored=scored, place=place, count=len(group), step=rng.randrange(scored.num_steps))

    def _failed(self, scored: Scored) -> bool:
        return scored.reward < self._accept and not scored.judgement.left_out

    def _located(self, restarts: Sequence[Restart], *, seed: int, progress: Progress | None) -> list[Restart]:
        """From the first step that the adviser names, where there is one and it names any."""
        if self._adviser is None or not restarts:
            return list(restarts)
        inquiries = [inquiry(own.scored, self._environment.decode) for own in restarts]
        answers = self._adviser(inquiries, count=1, seed=derive_seed(seed, "critiques"), progress=progress)
        return [located(own, answer) for own, [answer] in zip(restarts, answers, strict=True)]


def inquiry(scored: Scored, decode: Callable[[Sequence[int]], str]) -> Inquiry:
    """The response, without the gold answer."""
    question, steps = scored.trajectory.question, step_texts(scored, decode)
    return Inquiry(messages=inquiry_messages(question, steps, reference=False), question=question, steps=steps)


def located(restart: Restart, answer: Answer) -> Restart:
    """At the first step that is named wrong; where none is, as it was."""
    critique = read_critique(answer.text, num_steps=restart.scored.num_steps, tokens=answer.tokens)
    return replace(restart, step=critique.wrong[0] if critique.wrong else restart.step, critiques=(critique,))
