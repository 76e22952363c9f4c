"""The sampling of one analysis: everything that the instruments are then read from.

    questions    -> trajectories             the policy answers
    trajectories -> states -> next steps     what it might have written instead
    states       -> truth                    many rollouts each, from a stream of their own, remembered on the disk
    trajectories -> credits                  of each source, and its values of the next steps

No source sees the truth, and none sees another's rollouts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vineppo.analysis.alternatives import Choice, Chooser, Score
from vineppo.analysis.records import Cost
from vineppo.analysis.sources import Source, assign_and_time, foresee
from vineppo.analysis.stages import Stages
from vineppo.analysis.states import Place, choose_trajectories, distinct_places, place_state, state_at
from vineppo.analysis.truth import TruthMeter
from vineppo.analysis.truth_store import Truth, known_exactly
from vineppo.environment import Environment, State
from vineppo.rng import derive_seed
from vineppo.seams import Progress
from vineppo.types import Credit, Question, Sampling, Scored


@dataclass(frozen=True, kw_only=True, slots=True)
class Examined:
    """A source, its credit of each trajectory, and its value of each next step of each choice."""

    source: Source
    credits: list[Credit]
    cost: Cost
    next_values: list[tuple[float, ...]]
    """Empty for a source that gives all next steps of a state one value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """What was sampled and measured, before it is summed up."""

    trajectories: list[Scored]
    chosen: list[int]
    """Trajectories all of whose states have a truth."""
    places: list[Place]
    """The distinct states that values are compared at."""
    choices: list[Choice]
    places_examined: int
    """Looked at to find the choices."""
    truths: Mapping[State, Truth]
    from_cache: frozenset[State]
    truth_seconds: float
    examined: list[Examined]

    def truth_at(self, trajectory: int, step: int) -> Truth:
        """Of the state where a step of a chosen trajectory begins, or where its response is over."""
        scored = self.trajectories[trajectory]
        if step == scored.num_steps:
            return known_exactly(scored.reward)
        return self.truths[state_at(scored, scored.bounds[step])]


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """The parts and the numbers of one analysis."""

    environment: Environment
    score: Score
    truth: TruthMeter
    sampling: Sampling
    sources: Sequence[Source]
    questions: Sequence[Question]
    trajectories: int
    """Per question."""
    states: int
    """Where steps begin and the truth is measured, about so many; their trajectories' roots come on top."""
    choices: int
    """States to rank next steps at."""
    draws: int
    """Continuations sampled to find next steps at a state."""
    alternatives: int
    """Distinct next steps ranked at a state, at most."""
    distinct: int
    """Fewest distinct next steps that make a choice."""
    seed: int

    def collect(self, stages: Stages) -> Findings:
        """All of it."""
        with stages.stage("trajectories") as progress:
            trajectories = self.sample(self.questions, stream="trajectories", progress=progress)
        with stages.stage("next steps") as progress:
            choices, looked_at = self._find_choices(trajectories, progress)
        chosen = choose_trajectories(trajectories, states=self.states, seed=self.seed)
        places = distinct_places(trajectories, chosen)
        asked = [place_state(trajectories, place) for place in places]
        asked += [state for choice in choices for state in choice.next_states]
        with stages.stage("truth") as progress:
            truths, from_cache = self.truth.measure(asked, progress=progress)
        return Findings(
            trajectories=trajectories,
            chosen=chosen,
            places=places,
            choices=choices,
            places_examined=looked_at,
            truths=truths,
            from_cache=from_cache,
            truth_seconds=stages.seconds("truth"),
            examined=[self._examine(source, trajectories, choices, stages) for source in self.sources],
        )

    def sample(self, questions: Sequence[Question], *, stream: str, progress: Progress | None) -> list[Scored]:
        """Judged and cut trajectories of the questions, drawn from a stream of this name."""
        trajectories = self.environment.sample(
            questions,
            count=self.trajectories,
            sampling=self.sampling,
            seed=derive_seed(self.seed, stream),
            branches=True,
            progress=progress,
        )
        return self.score(trajectories)

    def _find_choices(self, trajectories: Sequence[Scored], progress: Progress) -> tuple[list[Choice], int]:
        chooser = Chooser(
            environment=self.environment,
            score=self.score,
            sampling=self.sampling,
            draws=self.draws,
            most=self.alternatives,
            distinct=self.distinct,
        )
        return chooser.find(trajectories, wanted=self.choices, seed=self.seed, progress=progress)

    def _examine(
        self, source: Source, trajectories: Sequence[Scored], choices: Sequence[Choice], stages: Stages
    ) -> Examined:
        seed = derive_seed(self.seed, "source", source.name)
        with stages.stage(source.name) as progress:
            credits, cost = assign_and_time(source, trajectories, seed=seed, progress=progress)
            next_values = foresee(source, choices, seed=derive_seed(seed, "next steps"), progress=progress)
        return Examined(source=source, credits=credits, cost=cost, next_values=next_values)
