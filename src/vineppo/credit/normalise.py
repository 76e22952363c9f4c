"""How a method's paper scales advantages before the update. Over all trajectories of an iteration.

    none      as they are                                     RLOO, GRPO (it divides within its groups), Dr. GRPO
    scale     A / sqrt(mean of A^2)                           coupled vines, tree credit
    whiten    (A - mean) / std                                PPO, VinePPO, as in their authors' code

over the tokens that have credit: those with an advantage, that no mask leaves out. A token without credit stays at 0:
shifted, it would be trained towards what was neither good nor bad, and all of a group that is all wrong upwards.
Branches are scaled like what they left, and never shifted. Records and reports keep the credit as it was: in rewards.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import sqrt
from statistics import fmean

from vineppo.credit.settings import Normalisation
from vineppo.types import Credit, Sample

EPSILON = 1e-8
"""Added to the variance."""


def normalised(credits: Sequence[Credit], how: Normalisation) -> list[Credit]:
    """The same credits on another scale."""
    scale = _scale([own for credit in credits for own in _credited(credit.advantages, credit.mask)], how)
    return list(credits) if scale is None else [_moved(credit, *scale) for credit in credits]


def normalised_samples(samples: Sequence[Sample], how: Normalisation) -> list[Sample]:
    """The same for samples, where the update is not of an iteration's trajectories."""
    scale = _scale([own for sample in samples for own in _credited(sample.advantages, sample.mask)], how)
    if scale is None:
        return list(samples)
    return [replace(sample, advantages=_rescaled(sample.advantages, *scale)) for sample in samples]


def _credited(advantages: Sequence[float], mask: Sequence[bool] | None) -> Iterator[float]:
    """Those of tokens that have credit."""
    learning = mask or (True,) * len(advantages)
    return (advantage for advantage, learns in zip(advantages, learning, strict=True) if learns and advantage)


def _scale(credited: Sequence[float], how: Normalisation) -> tuple[float, float] | None:
    """What to subtract and to divide by; None: nothing."""
    if how == "none" or not credited:
        return None
    shift = fmean(credited) if how == "whiten" else 0.0
    return shift, sqrt(fmean((advantage - shift) ** 2 for advantage in credited) + EPSILON)


def _rescaled(advantages: Sequence[float], shift: float, size: float) -> tuple[float, ...]:
    return tuple((advantage - shift) / size if advantage else 0.0 for advantage in advantages)


def _moved(credit: Credit, shift: float, size: float) -> Credit:
    errors = credit.standard_errors
    return replace(
        credit,
        advantages=_rescaled(credit.advantages, shift, size),
        standard_errors=None if errors is None else tuple(error / size for error in errors),
        branches=tuple(
            replace(branch, advantages=tuple(advantage / size for advantage in branch.advantages))
            for branch in credit.branches
        ),
    )
