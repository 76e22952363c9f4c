"""VinePPO: the value of a state is the mean reward of K rollouts from it.

    V(s_k) = (1/K) sum_j R(rollout j from s_k),  k = 0..N-1        V(s_N) = R
    A_k    = V(s_{k+1}) - V(s_k), given to every token of step k

Kazemnejad et al., "VinePPO: Refining Credit Assignment in RL Training of LLMs", arXiv 2410.01679, section 4.
Unbiased given the trajectory; assumes only that the environment can be reset to a prefix, which text always can.
Degenerate cases: one step gives R - V(prompt); a state shared by several trajectories (always the prompt) is measured
once; a trajectory's own reward never enters the values of the states before its end.

Differs from the paper's code in: prefixes are token ids, never re-tokenised text; states are shared across the whole
batch, not per process; a response cut off by the length limit is kept, with reward 0.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import hypot, sqrt
from statistics import fmean
from typing import ClassVar, Literal, Self

from pydantic import Field

from vineppo.credit.certainty import mean_variance, reward_range
from vineppo.credit.mask import masked
from vineppo.credit.settings import CreditParts, MeasuredCredit, Normalisation
from vineppo.credit.spread import spread
from vineppo.environment import Environment, State
from vineppo.rng import derive_seed
from vineppo.seams import Progress
from vineppo.settings.shapes import Rollouts, Shape
from vineppo.types import Credit, Rollout, Sampling, Scored, StateValue

NEXT_STATE_ONLY = 2
"""States of an alternative that are measured: the root, which is shared, and the one asked about."""


class VineCredit(MeasuredCredit):
    """VinePPO: the value of a state is the mean reward of K rollouts from it."""

    name: Literal["vine"] = "vine"
    normalise: Normalisation = "whiten"
    rollouts: int = Field(default=9, ge=1)
    """K, rollouts per distinct state."""
    max_states: int | None = Field(default=None, ge=1)
    """Measure at most this many states of a trajectory, from the start; the steps after are one."""

    amount: ClassVar[str] = "rollouts"

    def for_looking(self, rollouts: int) -> Self:
        """At least so many from each state."""
        return self.model_copy(update={"rollouts": max(self.rollouts, rollouts)})

    def build(self, parts: CreditParts) -> "VineAssigner":
        """The method at work."""
        return VineAssigner(
            parts.environment,
            rollouts=self.rollouts,
            max_states=self.max_states,
            mask_above=self.mask_above,
            sampling=parts.sampling,
        )

    def rollouts_of(self, shape: Shape) -> Rollouts:
        """K from each measured state."""
        measured = Shape(length=shape.length, states=shape.states[: self.max_states])
        return Rollouts(count=self.rollouts * len(measured.states), tokens=self.rollouts * measured.left)

    @property
    def rollouts_in_words(self) -> str:
        """For a batch."""
        return f"{self.rollouts} rollouts from each distinct state"

    def bound_in_words(self, *, any_token: bool) -> str:
        """The cap is the only limit."""
        return " and every token starts a step; credit.max_states caps it" if any_token else ""

    @property
    def meaning(self) -> str:
        """As a source of values."""
        return f"mean reward of {self.rollouts} rollout{'s' if self.rollouts > 1 else ''} from the state"

    def next_state_only(self) -> Self:
        """The states before it are enough."""
        return self.model_copy(update={"max_states": NEXT_STATE_ONLY})

    @property
    def rollouts_per_state(self) -> int:
        """K"""
        return self.rollouts


def measured_positions(bounds: Sequence[int], max_states: int | None) -> tuple[int, ...]:
    """Where the states to measure are: the first `max_states` step beginnings, or all."""
    return tuple(bounds[:-1][:max_states])


def monte_carlo_value(position: int, rollouts: Sequence[Rollout], *, spread: float = 1.0) -> StateValue:
    """Mean reward and its standard error. spread: the range of rewards."""
    rewards = [rollout.reward for rollout in rollouts]
    error = sqrt(mean_variance(rewards, spread=spread))
    return StateValue(position=position, value=fmean(rewards), standard_error=error, rollouts=tuple(rollouts))


def step_advantages(values: Sequence[float]) -> list[float]:
    """[N] differences of the values [N + 1] before and after each step. They telescope to R - V(s_0)."""
    return [after - before for before, after in pairwise(values)]


def step_errors(errors: Sequence[float | None]) -> list[float] | None:
    """[N] standard errors of the advantages from those [N + 1] of the values, which are independent; None: unknown."""
    known = [error for error in errors if error is not None]
    return [hypot(*pair) for pair in pairwise(known)] if len(known) == len(errors) else None


def vine_credit(scored: Scored, measured: Sequence[StateValue]) -> Credit:
    """Advantages from the measured states, in order; from the last of them on, all tokens share R - V(last)."""
    end = scored.bounds[-1]
    values = (*measured, StateValue(position=end, value=scored.reward, standard_error=0.0))
    bounds = (*scored.bounds[: len(measured)], end)
    errors = step_errors([state.standard_error for state in values])
    return Credit(
        advantages=spread(step_advantages([state.value for state in values]), bounds),
        standard_errors=None if errors is None else spread(errors, bounds),
        values=values,
    )


class VineAssigner:
    """Samples K rollouts from every distinct state of the batch and credits each step with the change of value."""

    def __init__(
        self,
        environment: Environment,
        *,
        rollouts: int,
        max_states: int | None,
        sampling: Sampling,
        mask_above: float | None = None,
    ):
        self._environment = environment
        self._rollouts = rollouts
        self._max_states = max_states
        self._sampling = sampling
        self._mask_above = mask_above

    def __call__(self, trajectories: Sequence[Scored], *, seed: int, progress: Progress | None = None) -> list[Credit]:
        """Measure, then credit."""
        states = [self._states(scored) for scored in trajectories]
        distinct = list(dict.fromkeys(state for own in states for state in own.values()))
        rollouts = self._environment.rollouts(
            distinct,
            count=self._rollouts,
            sampling=self._sampling,
            seed=derive_seed(seed, "rollouts"),
            progress=progress,
        )
        width = reward_range([*(own.reward for own in trajectories), *(r.reward for own in rollouts for r in own)])
        values = {
            state: monte_carlo_value(len(state.response_ids), own, spread=width)
            for state, own in zip(distinct, rollouts, strict=True)
        }
        return [
            masked(vine_credit(scored, [values[state] for state in own.values()]), scored, self._mask_above)
            for scored, own in zip(trajectories, states, strict=True)
        ]

    def _states(self, scored: Scored) -> dict[int, State]:
        own = scored.trajectory
        return {
            at: State(question=own.question, prompt_ids=own.prompt_ids, response_ids=own.response_ids[:at])
            for at in measured_positions(scored.bounds, self._max_states)
        }
