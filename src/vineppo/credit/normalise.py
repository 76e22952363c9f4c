"""How a method's paper scales advantages before the update. Over all trajectories of an iteration.

    none      as they are                                     RLOO, GRPO (it divides within its groups), Dr. GRPO
    scale     A / sqrt(mean of A^2)                           coupled vines, tree credit
    whiten    (A - mean) / std                                PPO, VinePPO, as in their authors' code

over the tokens that have credit: those with an advantage, that no mask leaves out. A token without credit stays at 0:
shifted, it would be trained towards what was neither good nor bad, and all of a group that is all wrong upwards.
Branches are scaled like what they left, and never shifted. Records and reports keep the credit as it was: in rewards.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import sqrt
from statistics import fmean

from vineppo.credit.settings import Normalisation
from vineppo.types import Credit

EPSILON = 1e-8
"""Added to the variance."""


def normalised(credits: Sequence[Credit], how: Normalisation) -> list[Credit]:
    """The same credits on another scale."""
    credited = [
        advantage
        for credit in credits
        for advantage, learns in zip(credit.advantages, credit.mask or (True,) * len(credit.advantages), strict=True)
        if learns and advantage
    ]
    if how == "none" or not credited:
        return list(credits)
    shift = fmean(credited) if how == "whiten" else 0.0
    size = sqrt(fmean((advantage - shift) ** 2 for advantage in credited) + EPSILON)
    return [_moved(credit, lambda advantage: (advantage - shift) / size, size) for credit in credits]


def _moved(credit: Credit, move: Callable[[float], float], size: float) -> Credit:
    errors = credit.standard_errors
    return replace(
        credit,
        advantages=tuple(move(advantage) if advantage else 0.0 for advantage in credit.advantages),
        standard_errors=None if errors is None else tuple(error / size for error in errors),
        branches=tuple(
            replace(branch, advantages=tuple(advantage / size for advantage in branch.advantages))
            for branch in credit.branches
        ),
    )
