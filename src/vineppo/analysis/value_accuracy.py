"""Predicted values against true ones: error, bias, calibration, and how much of the truth's variation is explained.

The truth t = v + e is itself measured, with n rollouts, so its standard error s is known. Where that can be taken out
exactly it is: variances are corrected by s^2. An absolute error cannot be corrected without assuming more, so it comes
with its floor, what a perfect source would score: the mean of s sqrt(2 / pi), by the normal approximation.

    explained variance            1 - var(p - t) / var(t)
    explained within question     the same with each question's mean taken out of p - t and of t

Most of the variation of values lies between questions (some are easy). Credit compares states of the same question, so
the second is what counts: a source that knows only how hard the question is scores 0 there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import pi, sqrt

import numpy as np
from jaxtyping import Bool, Float, Int

from vineppo.analysis.bootstrap import bootstrap_interval
from vineppo.analysis.records import Calibration, CalibrationBin, PositionBin, ValueScore

POSITION_BINS = 5
CALIBRATION_BINS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """n states with what a source says of them."""

    predicted: Float[np.ndarray, " n"]
    truth: Float[np.ndarray, " n"]
    truth_error: Float[np.ndarray, " n"]
    """Standard error of each truth."""
    relative: Float[np.ndarray, " n"]
    """Where in the response each state is, in [0, 1)."""
    questions: np.ndarray
    """[n] names."""

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def error(self) -> Float[np.ndarray, " n"]:
        """Predicted minus true."""
        return self.predicted - self.truth

    def take(self, chosen: Bool[np.ndarray, " n"] | Int[np.ndarray, " m"]) -> "Comparison":
        """Some of the states, by a mask or by indices."""
        return Comparison(
            predicted=self.predicted[chosen],
            truth=self.truth[chosen],
            truth_error=self.truth_error[chosen],
            relative=self.relative[chosen],
            questions=self.questions[chosen],
        )


# --- error -------------------------------------------------------------------------------------------------------


def value_score(states: Comparison) -> ValueScore | None:
    """All of it; None where there is no state."""
    if not len(states):
        return None
    error, names = states.error, list(states.questions)
    return ValueScore(
        states=len(states),
        mae=float(np.abs(error).mean()),
        mae_interval=bootstrap_interval(lambda chosen: float(np.abs(error[chosen]).mean()), names),
        mae_floor=absolute_floor(states.truth_error),
        bias=float(error.mean()),
        bias_interval=bootstrap_interval(lambda chosen: float(error[chosen].mean()), names),
        explained_variance=explained_variance(states),
        explained_within=explained_within(states),
        explained_within_interval=bootstrap_interval(lambda chosen: explained_within(states.take(chosen)), names),
    )


def absolute_floor(truth_error: Float[np.ndarray, " n"]) -> float:
    """The mean absolute error of a perfect source, by the truth's noise alone."""
    return float(truth_error.mean() * sqrt(2 / pi))


def explained_variance(states: Comparison) -> float | None:
    """1: perfect up to a constant; 0: no better than one. None where the truth does not vary beyond its noise."""
    return _explained(states, np.zeros(len(states), dtype=int))


def explained_within(states: Comparison) -> float | None:
    """Explained variance around each question's own mean."""
    return _explained(states, np.unique(states.questions, return_inverse=True)[1])


def _explained(states: Comparison, members: Int[np.ndarray, " n"]) -> float | None:
    """A deviation from the mean of m states holds noise (1 - 1/m) s^2: taken out of both sums of squares.

    The rest of the truth's must be twice what that noise itself varies by, sqrt(2) s^2 in the normal approximation.
    """
    sizes = np.bincount(members)
    noises = np.square(states.truth_error) * (1 - 1 / sizes[members])
    noise, doubt = noises.sum(), sqrt(2 * np.square(noises).sum())
    total, missed = (
        np.square(values - (np.bincount(members, weights=values) / sizes)[members]).sum() - noise
        for values in (states.truth, states.error)
    )
    # rounded, so that what explains nothing reads 0 and not -2e-16
    return round(float(1 - missed / total), 12) + 0.0 if total > max(1e-12, 2 * doubt) else None


def returns_explained(
    returns: Float[np.ndarray, " n"], truth: Float[np.ndarray, " n"], truth_error: Float[np.ndarray, " n"]
) -> float | None:
    """What true values explain of the variance of returns from their states: no value network explains more.

    1 - mean (R - v)^2 / var R, with mean (R - v)^2 = mean ((R - t)^2 - s^2). None where returns do not vary.
    """
    total = np.square(returns - returns.mean()).sum() if len(returns) else 0.0
    missed = (np.square(returns - truth) - np.square(truth_error)).sum()
    return float(1 - missed / total) if total > 0 else None


# --- by part -----------------------------------------------------------------------------------------------------


def accuracy_by_position(states: Comparison) -> tuple[PositionBin, ...]:
    """Error and bias in equal parts of the response; parts without a state are left out."""
    edges = np.linspace(0, 1, POSITION_BINS + 1)
    return tuple(
        PositionBin(
            low=low,
            high=high,
            states=len(part),
            mae=float(np.abs(part.error).mean()),
            bias=float(part.error.mean()),
            mae_floor=absolute_floor(part.truth_error),
        )
        for low, high, part in _parts(states, states.relative, edges)
    )


def calibration(states: Comparison, reward_range: tuple[float, float]) -> Calibration:
    """Mean truth where about the same was predicted: equal bins over the rewards' range, what lies outside at its ends.

    A value measured by few rollouts is unbiased for its state and yet not calibrated: among states that happened to
    measure 1, most are worth less. That is no fault of credit, which adds such values up, but a reader should know.
    """
    edges = np.linspace(*reward_range, CALIBRATION_BINS + 1)
    bins = tuple(
        CalibrationBin(
            low=low,
            high=high,
            states=len(part),
            predicted=float(part.predicted.mean()),
            truth=float(part.truth.mean()),
        )
        for low, high, part in _parts(states, states.predicted, edges)
    )
    error = sum(part.states * abs(part.predicted - part.truth) for part in bins) / len(states)
    return Calibration(bins=bins, error=error)


def _parts(
    states: Comparison, values: Float[np.ndarray, " n"], edges: Float[np.ndarray, " b"]
) -> Iterator[tuple[float, float, Comparison]]:
    """The states with low <= value < high, bin by bin, empty ones left out. The outer bins take what lies outside."""
    bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    for index, (low, high) in enumerate(pairwise(edges)):
        if (bins == index).any():
            yield float(low), float(high), states.take(bins == index)
