"""Intervals by resampling questions: the states of one question resemble each other, so questions are what varies."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int

from vineppo.analysis.records import Interval
from vineppo.rng import derive_seed

RESAMPLES = 1000

Statistic = Callable[[Int[np.ndarray, " m"]], float | None]
"""Of the cases with these indices, some of them several times. None where it does not exist."""


def bootstrap_interval(statistic: Statistic, questions: Sequence[str]) -> Interval | None:
    """95 % percentiles over resampled questions. `questions` names each case's own; None where all share one."""
    names = np.unique(np.asarray(questions), return_inverse=True)[1]
    clusters = [np.flatnonzero(names == name) for name in range(names.max(initial=-1) + 1)]
    if len(clusters) < 2:
        return None
    rng = np.random.default_rng(derive_seed("bootstrap", len(questions), len(clusters)))
    draws = (
        statistic(np.concatenate([clusters[i] for i in rng.integers(len(clusters), size=len(clusters))]))
        for _ in range(RESAMPLES)
    )
    found = [value for value in draws if value is not None]
    if len(found) < RESAMPLES / 2:
        return None
    low, high = np.percentile(found, [2.5, 97.5])
    return Interval(low=float(low), high=float(high))
