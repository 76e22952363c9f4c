"""Which states are looked at, and what a source says of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vineppo.environment import State
from vineppo.rng import derive_seed
from vineppo.types import Credit, Scored, StateValue


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A state, as the beginning of step `step` of the trajectory with this index."""

    trajectory: int
    step: int


def state_at(scored: Scored, position: int) -> State:
    """The state after so many tokens of a trajectory's response."""
    own = scored.trajectory
    return State(question=own.question, prompt_ids=own.prompt_ids, response_ids=own.response_ids[:position])


def place_state(trajectories: Sequence[Scored], place: Place) -> State:
    """The state at a place."""
    scored = trajectories[place.trajectory]
    return state_at(scored, scored.bounds[place.step])


def choose_trajectories(trajectories: Sequence[Scored], *, states: int, seed: int) -> list[int]:
    """Whole trajectories, so that every chosen step has its value before and after, until they hold enough states.

    In random order, every question once before any comes twice. States where steps begin count, roots do not.
    """
    rng = np.random.default_rng(derive_seed(seed, "chosen trajectories"))
    order = rng.permutation(len(trajectories)).tolist()
    turn: dict[int, int] = {}
    seen: dict[str, int] = {}
    for index in order:
        question = trajectories[index].trajectory.question.id
        turn[index] = seen[question] = seen.get(question, 0) + 1
    chosen, distinct = [], set[State]()
    for index in sorted(order, key=lambda index: turn[index]):
        if len(distinct) >= states:
            break
        chosen.append(index)
        distinct |= {state_at(trajectories[index], at) for at in trajectories[index].bounds[1:-1]}
    return chosen


def distinct_places(trajectories: Sequence[Scored], chosen: Sequence[int]) -> list[Place]:
    """The states of the chosen trajectories, roots included; a state that several share comes once."""
    first: dict[State, Place] = {}
    for place in (Place(trajectory=i, step=k) for i in chosen for k in range(trajectories[i].num_steps)):
        first.setdefault(place_state(trajectories, place), place)
    return list(first.values())


def value_at(credit: Credit, position: int, *, source: str) -> StateValue:
    """What a credit says of the state at a position."""
    for value in credit.values:
        if value.position == position:
            return value
    there = [value.position for value in credit.values]
    raise ValueError(f"source {source} gave no value for the state at {position}, only for those at {there}")
