"""The stages of InT before anything is learned: attempt, propose, verify. Their products are JSONL files.

    attempts/       the policy answers every question; what is wrong goes on
    proposals/      where each wrong attempt goes astray, and a step to put in its place
    verified/       continuations of prefix + intervention: how many succeed

The recipe, with its paper, is in `vineppo.recipes.int`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from vineppo.advisers.settings import Adviser, Answer, Inquiry
from vineppo.environment import Environment, State
from vineppo.processes import Processes
from vineppo.progress import Display
from vineppo.recipes.measurements import SIGNIFICANT, credit_metrics
from vineppo.recipes.proposals import (
    Proposal,
    largest_drop,
    leaks,
    like,
    propose_messages,
    read_proposal,
    solve_messages,
)
from vineppo.recipes.scoring import judge_and_cut
from vineppo.recipes.stage_files import Row, part_of
from vineppo.rng import derive_seed
from vineppo.seams import CreditAssigner, Segmenter
from vineppo.steps import TokenTexts
from vineppo.types import Finish, Judgement, Outcome, Question, Sampling, Scored, Trajectory

PART = 64
"""Questions of a part, which is lost where a run is killed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How much of what: the settings of the recipe, where they are explained."""

    attempts: int
    """Of each question."""
    accept: float
    """A response is right from this reward on."""
    reference_column: str | None
    localiser: Literal["prompt", "values", "both"]
    solve_first: bool
    """In a turn of its own."""
    proposals: int
    """Of each wrong attempt."""
    continuations: int
    """Of each intervention."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stages:
    """What they need, put together by the recipe."""

    environment: Environment
    segment: Segmenter
    token_texts: TokenTexts
    tokenize: Callable[[str], tuple[int, ...]]
    """Text that goes on; nothing is put in front."""
    adviser: Adviser
    assign: CreditAssigner | None
    """Measures values, where the recipe asks for them."""
    plan: Plan
    sampling: Sampling
    folder: Path
    seed: int
    processes: Processes

    def run(self, questions: Sequence[Question], display: Display) -> tuple[list[Scored], list[Row]]:
        """All attempts, and a row for each wrong one that was verified."""
        attempts: list[Scored] = []
        verified: list[Row] = []
        for part, start in enumerate(range(0, len(questions), PART), 1):
            some = questions[start : start + PART]
            own = self._attempts(part, some, display)
            attempts += own
            wrong = [(place, scored) for place, scored in enumerate(own) if self._is_wrong(scored)]
            proposals = self._proposals(part, wrong, display)
            verified += self._verified(part, own, proposals, display)
        return attempts, verified

    def _is_wrong(self, scored: Scored) -> bool:
        """And with something to show the adviser."""
        return scored.reward < self.plan.accept and bool(self.reference(scored.trajectory.question))

    def reference(self, question: Question) -> str:
        """The solution that the adviser sees, else the gold answer."""
        column = self.plan.reference_column
        return question.answer if column is None else str(question.columns.get(column) or "")

    # --- stage by stage ------------------------------------------------------------------------------------------

    def _attempts(self, part: int, questions: Sequence[Question], display: Display) -> list[Scored]:
        def make() -> list[Row]:
            with display.phase("sample") as progress:
                trajectories = self.environment.sample(
                    questions,
                    count=self.plan.attempts,
                    sampling=self.sampling,
                    seed=derive_seed(self.seed, "attempts"),
                    branches=self.assign is not None,
                    progress=progress,
                )
            with display.phase("judge"):
                scored = judge_and_cut(self.environment, self.segment, self.token_texts, trajectories)
            return [attempt_row(own) for own in scored]

        rows = part_of(self.folder / "attempts", part, self.processes, make)
        by_id = {question.id: question for question in questions}
        return [attempt_of(row, by_id[row["question"]]) for row in rows]

    def _proposals(self, part: int, wrong: Sequence[tuple[int, Scored]], display: Display) -> list[Row]:
        def make() -> list[Row]:
            with display.phase("credit"):
                return self._propose(part, wrong)

        return part_of(self.folder / "proposals", part, self.processes, make) if wrong else []

    def _propose(self, part: int, wrong: Sequence[tuple[int, Scored]]) -> list[Row]:
        seed = derive_seed(self.seed, "proposals", part)
        scored = [own for _, own in wrong]
        drops, tokens = self._drops(scored, seed)
        asked = [k for k in range(len(wrong)) if self.plan.localiser != "values" or drops[k] is not None]
        told = drops if self.plan.localiser == "values" else [None] * len(wrong)
        answers = dict(zip(asked, self._ask([scored[k] for k in asked], [told[k] for k in asked], seed), strict=True))
        rows: list[Row] = []
        for k, (place, own) in enumerate(wrong):
            found = first_valid(answers.get(k, ()), own.trajectory.question, own.num_steps, told[k])
            rows.append(
                {
                    "question": own.trajectory.question.id,
                    "attempt": place,
                    "steps": list(self._step_texts(own)),
                    "location": None if found is None else found.location + 1,
                    "location_by_values": None if (drop := drops[k]) is None else drop + 1,
                    "intervention": None if found is None else found.content,
                    "answers": [answer.text for answer in answers.get(k, ())],
                    "tokens": sum(answer.tokens for answer in answers.get(k, ())),
                    "rollout_tokens": tokens if k == 0 else 0,
                }
            )
        return rows

    def _ask(self, scored: Sequence[Scored], told: Sequence[int | None], seed: int) -> list[tuple[Answer, ...]]:
        """In two turns where the adviser reads messages, and `solve_first`; the first turn's tokens count with it."""
        asked = [(own.trajectory.question, self.reference(own.trajectory.question)) for own in scored]
        solved: list[Answer | None] = [None] * len(scored)
        if self.plan.solve_first:
            firsts = [
                Inquiry(messages=solve_messages(question, known), question=question, steps=())
                for question, known in asked
            ]
            solved = [first for [first] in self.adviser(firsts, count=1, seed=derive_seed(seed, "solve"))]
        inquiries = [
            Inquiry(
                messages=propose_messages(
                    question,
                    known,
                    self._step_texts(own),
                    solved=None if first is None else first.text,
                    location=at,
                ),
                question=question,
                steps=self._step_texts(own),
            )
            for own, (question, known), first, at in zip(scored, asked, solved, told, strict=True)
        ]
        answers = self.adviser(inquiries, count=self.plan.proposals, seed=derive_seed(seed, "propose"))
        return [
            own if first is None else (Answer(text=own[0].text, tokens=own[0].tokens + first.tokens), *own[1:])
            for own, first in zip(answers, solved, strict=True)
        ]

    def _drops(self, scored: Sequence[Scored], seed: int) -> tuple[list[int | None], int]:
        """Where each loses most value, and the tokens of the rollouts that say so."""
        if self.assign is None:
            return [None] * len(scored), 0
        credits = self.assign(scored, seed=derive_seed(seed, "values"))
        drops = [
            largest_drop(
                [credit.advantages[at] for at in own.bounds[:-1]],
                None if credit.standard_errors is None else [credit.standard_errors[at] for at in own.bounds[:-1]],
                significant=SIGNIFICANT,
            )
            for own, credit in zip(scored, credits, strict=True)
        ]
        return drops, int(credit_metrics(credits).get("tokens/rollouts", 0))

    def _verified(self, part: int, attempts: Sequence[Scored], proposals: Sequence[Row], display: Display) -> list[Row]:
        begun = [(row, ids) for row in proposals if (ids := self._guided(attempts, row)) is not None]

        def make() -> list[Row]:
            states = [
                State(
                    question=(own := attempts[row["attempt"]].trajectory).question,
                    prompt_ids=own.prompt_ids,
                    response_ids=ids,
                )
                for row, ids in begun
            ]
            with display.phase("credit") as progress:
                groups = self.environment.rollouts(
                    states,
                    count=self.plan.continuations,
                    sampling=self.sampling,
                    seed=derive_seed(self.seed, "continuations"),
                    progress=progress,
                )
            return [
                {
                    "question": row["question"],
                    "attempt": row["attempt"],
                    "location": row["location"],
                    "response": self.environment.decode(ids),
                    "response_ids": list(ids),
                    "successes": sum(rollout.reward >= self.plan.accept for rollout in own),
                    "continuations": len(own),
                    "rollout_tokens": sum(len(rollout.completion.token_ids) for rollout in own),
                }
                for (row, ids), own in zip(begun, groups, strict=True)
            ]

        return part_of(self.folder / "verified", part, self.processes, make) if begun else []

    def _guided(self, attempts: Sequence[Scored], row: Row) -> tuple[int, ...] | None:
        """The attempt's tokens before the step replaced, then the intervention's; None: there is none, or no room."""
        if row["intervention"] is None:
            return None
        own, at = attempts[row["attempt"]], row["location"] - 1
        ids = own.trajectory.response_ids[: own.bounds[at]]
        ids += self.tokenize(like(row["steps"][at], row["intervention"]))
        return ids if len(ids) < self.sampling.max_new_tokens else None

    def _step_texts(self, scored: Scored) -> tuple[str, ...]:
        pieces = self.token_texts(scored.trajectory.response_ids)
        return tuple("".join(pieces[start:stop]) for start, stop in pairwise(scored.bounds))


def first_valid(answers: Sequence[Answer], question: Question, num_steps: int, location: int | None) -> Proposal | None:
    """The first proposal that can be read and does not give the answer away. location: where it has to be, if told."""
    for answer in answers:
        found = read_proposal(answer.text, num_steps=num_steps)
        if found is not None and not leaks(found.content, question.answer) and location in (None, found.location):
            return found
    return None


def attempt_row(scored: Scored) -> Row:
    """For people, and to read it back."""
    own = scored.trajectory
    return {
        "question": own.question.id,
        "response": own.text,
        "reward": scored.reward,
        "outcome": str(scored.judgement.outcome),
        "left_out": scored.judgement.left_out,
        "finish": str(own.finish),
        "bounds": list(scored.bounds),
        "prompt_ids": list(own.prompt_ids),
        "response_ids": list(own.response_ids),
        "logprobs": list(own.logprobs),
        "policy_version": own.policy_version,
    }


def attempt_of(row: Row, question: Question) -> Scored:
    """What the row says."""
    trajectory = Trajectory(
        question=question,
        prompt_ids=tuple(row["prompt_ids"]),
        response_ids=tuple(row["response_ids"]),
        logprobs=tuple(row["logprobs"]),
        text=row["response"],
        finish=Finish(row["finish"]),
        policy_version=row["policy_version"],
    )
    judgement = Judgement(reward=row["reward"], outcome=Outcome(row["outcome"]), left_out=row["left_out"])
    return Scored(trajectory=trajectory, judgement=judgement, bounds=tuple(row["bounds"]))
