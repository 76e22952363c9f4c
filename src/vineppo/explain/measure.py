"""Credit without training: sample solutions, or take given ones; cut them; measure the value of every state.

The same environment, segmenter and credit assigner as in training, and nothing that learns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vineppo.chat import prompt_reader
from vineppo.config.schema import Config
from vineppo.credit.build import build_assigner
from vineppo.credit.settings import CreditParts, CreditSettings
from vineppo.environment import Environment
from vineppo.errors import UserError
from vineppo.explain.given import given_trajectory
from vineppo.explain.source import Item
from vineppo.policy import Policy
from vineppo.progress import Display
from vineppo.recipes.build import build_environment
from vineppo.recipes.fitting import check_prompts
from vineppo.recipes.measurements import credit_metrics
from vineppo.recipes.records import ReadPrompt, trajectory_record
from vineppo.rng import derive_seed
from vineppo.seams import CreditAssigner, Segmenter, Task
from vineppo.steps import Pieces, TokenTexts
from vineppo.types import Question, Sampling, Scored, Trajectory

SAMPLED = 2
"""Solutions sampled for a question that comes with none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What came of some questions."""

    records: list[dict[str, Any]]
    """One a solution: see `vineppo.recipes.records`."""
    solution_tokens: int
    """Decoded; given solutions cost nothing."""
    rollout_tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Explainer:
    """All that measuring needs."""

    environment: Environment
    segment: Segmenter
    token_texts: TokenTexts
    read_prompt: ReadPrompt
    assign: CreditAssigner
    take: Callable[[Question, str], Trajectory]
    """A given solution as a trajectory."""
    sampling: Sampling
    count: int | None
    """Solutions sampled for each question; None: `SAMPLED`, where none are given."""
    seed: int

    def __call__(self, items: Sequence[Item], display: Display) -> Measured:
        """Measure the solutions of some questions together, so that states they share are measured once."""
        taken = [] if self.count else [(item, text) for item in items for text in item.solutions]
        sampled = [item.question for item in items if self.count or not item.solutions]
        with display.phase("sample") as progress:
            given = [self.take(item.question, text) for item, text in taken]
            fresh = self.environment.sample(
                sampled,
                count=self.count or SAMPLED,
                sampling=self.sampling,
                seed=derive_seed(self.seed, "explain", "solutions"),
                branches=True,
                progress=progress,
            )
        with display.phase("judge"):
            scored = self.score(in_order(items, [*given, *fresh]))
        with display.phase("credit") as progress:
            credits = self.assign(scored, seed=derive_seed(self.seed, "explain"), progress=progress)
        return Measured(
            records=[
                trajectory_record(s, c, self.token_texts, self.read_prompt)
                for s, c in zip(scored, credits, strict=True)
            ],
            solution_tokens=sum(len(trajectory.response_ids) for trajectory in fresh),
            rollout_tokens=int(credit_metrics(credits).get("tokens/rollouts", 0)),
        )

    def score(self, trajectories: Sequence[Trajectory]) -> list[Scored]:
        """Judge and cut."""
        judgements = self.environment.judge_trajectories(trajectories)
        return [
            Scored(trajectory=t, judgement=j, bounds=self.segment(t, self.token_texts(t.response_ids)))
            for t, j in zip(trajectories, judgements, strict=True)
        ]


def build_explainer(
    config: Config, policy: Policy, task: Task, items: Sequence[Item], *, count: int | None
) -> Explainer:
    """From a config to the parts. Raises UserError for what cannot be measured."""
    check_credit(config.credit)
    environment = build_environment(policy, task, config.engine)
    check_prompts(policy, [item.question for item in items], context=config.engine.context_for(policy))
    sampling = config.sampling.law
    return Explainer(
        environment=environment,
        segment=config.steps.build(),
        token_texts=Pieces(policy.decode, stop=sampling.stop),
        read_prompt=prompt_reader(policy.tokenizer),
        assign=build_assigner(config.credit, CreditParts(environment=environment, sampling=sampling)),
        take=lambda question, text: given_trajectory(policy, question, text, sampling),
        sampling=sampling,
        count=count,
        seed=config.training.seed,
    )


def check_credit(credit: CreditSettings) -> None:
    """Only methods that measure the values of states have anything to show here."""
    if credit.values != "rollouts":
        network = "takes its values from a network that exists only in a training run"
        why = network if credit.values == "network" else "measures no values of states"
        raise UserError(f"credit is {credit.called}, which {why}; set credit=vine to measure values")


def in_order(items: Sequence[Item], trajectories: Sequence[Trajectory]) -> list[Trajectory]:
    """Question after question, as they were asked."""
    place = {item.question.id: index for index, item in enumerate(items)}
    return sorted(trajectories, key=lambda trajectory: place[trajectory.question.id])
