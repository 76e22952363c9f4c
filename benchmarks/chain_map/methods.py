"""Who is compared. To add a method: one line in METHODS."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from chain_map.engine import sampling_of
from chain_map.exact import Exact, ceiling_noise, exact, group_noise
from chain_map.family import Chain
from vineppo.credit.coupled_assigner import CoupledAssigner
from vineppo.credit.group import GroupAdvantages, GroupAssigner, grpo, rloo
from vineppo.credit.shuffle import Dealt
from vineppo.credit.spread import spread
from vineppo.credit.tree_assigner import TreeAssigner
from vineppo.credit.vine import VineAssigner, step_advantages
from vineppo.environment import Environment
from vineppo.seams import CreditAssigner, Progress
from vineppo.types import Credit, Scored

Kind = Literal["outcome", "measured", "learned", "ceiling", "control"]
"""One number a trajectory; step values from rollouts; rollouts that are learned from, too; values that nobody has;
credit dealt at random."""

Build = Callable[[Environment, Chain, np.ndarray], CreditAssigner]
Noise = Callable[[Exact, int], tuple[float, float]]
"""Variance of a question's gradient and by what it scales the true one, without sampling."""

MANY = 1000
"""More rollouts than a budget pays for."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to assign credit."""

    name: str
    kind: Kind
    build: Build
    group: int = 8
    """Trajectories of a question."""
    noise: Noise | None = None
    """Where a closed form is known."""
    unbiased: bool = True
    """Whether its expectation is the true gradient; else it is compared by the part along it."""


class ExactAssigner:
    """Step advantages from the true values, which cost nothing: what no method can know."""

    def __init__(self, known: Exact):
        self._known = known

    def __call__(self, trajectories: Sequence[Scored], *, seed: int, progress: Progress | None = None) -> list[Credit]:
        """Deterministic; `seed` is not used."""
        chain = self._known.chain
        options = chain.options_of(np.array([scored.trajectory.response_ids for scored in trajectories]))
        values = self._known.values[np.arange(chain.decisions + 1), chain.states(options)].tolist()
        return [
            Credit(advantages=spread(step_advantages(own), scored.bounds))
            for own, scored in zip(values, trajectories, strict=True)
        ]


def outcome(name: str, advantages: GroupAdvantages, *, unbiased: bool = True) -> Method:
    return Method(
        name=name,
        kind="outcome",
        build=lambda place, chain, logits: GroupAssigner(advantages),
        noise=lambda known, group: group_noise(known, advantages, group),
        unbiased=unbiased,
    )


def vine(rollouts: int) -> Method:
    """Groups of two: nothing but the prompt is shared, and a small budget cannot pay for more."""
    return Method(
        name=f"vine K={rollouts}",
        kind="measured",
        build=lambda place, chain, logits: VineAssigner(
            place, rollouts=rollouts, max_states=None, sampling=sampling_of(chain)
        ),
        group=2,
    )


def coupled(share: float) -> Method:
    """share: tokens of rollouts for each token of a trajectory."""
    return Method(
        name=f"coupled {share:g}",
        kind="measured",
        build=lambda place, chain, logits: CoupledAssigner(
            place,
            rollouts=MANY,
            token_budget=share * chain.length,
            segments=None,
            sampling=sampling_of(chain),
        ),
    )


def tree(restarts: float, *, followed: float = 1.0) -> Method:
    """No budget of tokens: of a question alone it would look at what its own trajectories do next."""
    return Method(
        name=f"tree {restarts:g}{'' if followed == 1 else f', {followed:g} followed'}",
        kind="learned",
        build=lambda place, chain, logits: TreeAssigner(
            place, restarts=restarts, token_budget=None, share=followed, prior=0.0, sampling=sampling_of(chain)
        ),
    )


def shuffled(method: Method) -> Method:
    """The control arm."""
    return replace(
        method,
        name=f"{method.name}, shuffled",
        kind="control",
        build=lambda place, chain, logits: Dealt(method.build(place, chain, logits)),
        noise=None,
        unbiased=False,
    )


EXACT = Method(
    name="exact values",
    kind="ceiling",
    build=lambda place, chain, logits: ExactAssigner(exact(chain, logits)),
    noise=lambda known, group: (ceiling_noise(known, group), 1.0),
)

METHODS = (
    outcome("RLOO", rloo),
    outcome("GRPO", partial(grpo, scale=True), unbiased=False),
    vine(1),
    vine(3),
    vine(9),
    coupled(0.1),
    coupled(0.3),
    coupled(1),
    coupled(3),
    tree(0.03),
    tree(0.1),
    tree(0.3),
    tree(1),
    tree(3),
    tree(10),
    tree(0.3, followed=0),
    EXACT,
    shuffled(coupled(1)),
    shuffled(EXACT),
)


def method(name: str) -> Method:
    """By its name."""
    return next(own for own in METHODS if own.name == name)


TRAINED_METHODS = ("RLOO", "GRPO", "vine K=1", "coupled 0.3", "coupled 1", "tree 0.1", "tree 0.3", "tree 1", EXACT.name)
"""Those of the training runs."""
