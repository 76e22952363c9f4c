"""Other next steps: what the policy might have written instead.

From a state the policy continues several times, to the end; each continuation is cut as a response is in training, and
its first step is one alternative. Alternatives are distinct by their tokens. One that ends the response is no use: its
value is its reward, which every source knows. The continuation stays, because some credit methods (coupled vines) value
a state along the trajectory through it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vineppo.analysis.states import Place, place_state, state_at
from vineppo.environment import Environment, State
from vineppo.rng import derive_seed
from vineppo.seams import Progress
from vineppo.types import Completion, Sampling, Scored, Trajectory

Score = Callable[[Sequence[Trajectory]], list[Scored]]
"""Judges and cuts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A state and its distinct next steps."""

    place: Place
    alternatives: tuple[Scored, ...]
    """Whole trajectories; `bounds` are 0, where the next step ends, and the boundaries after it."""

    @property
    def next_states(self) -> list[State]:
        """The state after each next step."""
        return [state_at(alternative, alternative.bounds[1]) for alternative in self.alternatives]


@dataclass(frozen=True, kw_only=True, slots=True)
class Chooser:
    """Samples alternatives at places of judged trajectories."""

    environment: Environment
    score: Score
    sampling: Sampling
    draws: int
    """Continuations sampled per state."""
    most: int
    """Distinct next steps kept: the first that were found."""
    distinct: int
    """Fewest distinct next steps that make a choice."""

    def find(
        self, trajectories: Sequence[Scored], *, wanted: int, seed: int, progress: Progress | None = None
    ) -> tuple[list[Choice], int]:
        """Up to `wanted` choices at distinct states in random order, and how many states were looked at for them."""
        places = self._shuffled(trajectories, seed)
        choices: list[Choice] = []
        examined = 0
        while examined < len(places) and len(choices) < wanted:
            # about as many as are still wanted: looking at more would be waste, at single ones slow
            batch = places[examined : examined + max(16, wanted - len(choices))]
            for choice in self._choices(trajectories, batch, seed):
                examined += 1
                if len(choice.alternatives) >= self.distinct:
                    choices.append(choice)
                if len(choices) == wanted:
                    break
            if progress is not None:
                progress(len(choices), wanted)
        return choices, examined

    def _shuffled(self, trajectories: Sequence[Scored], seed: int) -> list[Place]:
        """A place for each distinct state before the last step: after that one every response is over."""
        first: dict[State, Place] = {}
        for index, scored in enumerate(trajectories):
            for step in range(scored.num_steps - 1):
                place = Place(trajectory=index, step=step)
                first.setdefault(place_state(trajectories, place), place)
        order = np.random.default_rng(derive_seed(seed, "choices")).permutation(len(first))
        places = list(first.values())
        return [places[i] for i in order]

    def _choices(self, trajectories: Sequence[Scored], places: Sequence[Place], seed: int) -> list[Choice]:
        groups = self.environment.rollouts(
            [place_state(trajectories, place) for place in places],
            count=self.draws,
            sampling=self.sampling,
            seed=derive_seed(seed, "alternatives"),
        )
        continued = [
            [continue_at(trajectories[p.trajectory], p.step, r.completion, r.text) for r in group]
            for p, group in zip(places, groups, strict=True)
        ]
        judged = iter(self.score([trajectory for group in continued for trajectory in group]))
        return [
            Choice(
                place=place,
                alternatives=distinct_next_steps(
                    [next(judged) for _ in group], trajectories[place.trajectory].bounds[place.step]
                )[: self.most],
            )
            for place, group in zip(places, continued, strict=True)
        ]


def continue_at(scored: Scored, step: int, completion: Completion, text: str) -> Trajectory:
    """The trajectory that leaves `scored` where a step begins and goes on as sampled. `text`: its whole response."""
    own, at = scored.trajectory, scored.bounds[step]
    return replace(
        own,
        response_ids=own.response_ids[:at] + completion.token_ids,
        logprobs=own.logprobs[:at] + completion.logprobs,
        text=text,
        finish=completion.finish,
        policy_version=completion.policy_version,
    )


def distinct_next_steps(alternatives: Sequence[Scored], position: int) -> tuple[Scored, ...]:
    """Those whose step from `position` differs in its tokens and does not end the response; see `Choice.alternatives`.

    The step ends at the first boundary past `position`, which need not be a boundary itself: what follows may have
    joined it to the step before.
    """
    found: dict[tuple[int, ...], Scored] = {}
    for alternative in alternatives:
        later = tuple(bound for bound in alternative.bounds if bound > position)
        if len(later) > 1:
            step = alternative.trajectory.response_ids[position : later[0]]
            found.setdefault(step, replace(alternative, bounds=(0, *later)))
    return tuple(found.values())
