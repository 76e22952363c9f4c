"""Each method at the learning rate that suits it: a grid, extended while its best lies on an edge; then fresh seeds.

A rate is worth what the worst of its tuning runs is: by their mean, rates win that are fast and fail one time in four.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import exp, inf, log
from statistics import fmean, stdev

from chain_map.family import Chain
from chain_map.methods import Method
from chain_map.store import Store
from chain_map.training import Optimizer, Run, train
from vineppo.rng import derive_seed

FIRST_RATES: dict[Optimizer, tuple[float, ...]] = {"adam": (0.1, 0.2, 0.4), "sgd": (4.0, 8.0, 16.0)}
FACTOR = 2.0
MOST_POINTS = 9
HOPELESS = 2.0
"""A rate's runs end after so many times what the best rate so far needs."""


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """How many runs decide on a rate, and how many are then reported."""

    tuning: int = 4
    test: int = 8


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One method on one chain."""

    rate: float
    grid: dict[float, float]
    """Rate to the log of the most tokens on the tuning seeds."""
    runs: tuple[Run, ...]
    """On the test seeds."""

    @property
    def logs(self) -> list[float]:
        """Log tokens of each run."""
        return [log(run.tokens) for run in self.runs]

    @property
    def tokens(self) -> float:
        """Geometric mean."""
        return exp(fmean(self.logs))

    @property
    def spread(self) -> float:
        """Standard deviation of the logs."""
        return stdev(self.logs)

    @property
    def on_edge(self) -> bool:
        """Whether a better rate may lie outside the grid."""
        return self.rate in (min(self.grid), max(self.grid))


def tuned(store: Store[Run], chain: Chain, method: Method, optimizer: Optimizer, seeds: Seeds) -> Trained:
    """Tune, then test."""

    def runs(kind: str, rate: float, count: int, most: float = inf) -> list[Run]:
        return [
            store.get(
                (chain.name, method.name, optimizer, rate, kind, seed),
                partial(train, chain, method, optimizer, rate, derive_seed(kind, chain.name, seed), most),
            )
            for seed in range(count)
        ]

    def score(rate: float, best: float) -> float:
        return max(log(run.tokens) for run in runs("tuning", rate, seeds.tuning, HOPELESS * exp(best)))

    grid = climb(FIRST_RATES[optimizer], score)
    rate = min(grid, key=grid.__getitem__)
    return Trained(rate=rate, grid=grid, runs=tuple(runs("test", rate, seeds.test)))


def climb(rates: tuple[float, ...], score: Callable[[float, float], float]) -> dict[float, float]:
    """Scores by rate, less is better. `score` is told the best so far. At last the best rate's half steps are tried."""
    grid: dict[float, float] = {}
    ahead, refined = list(rates), False
    while ahead:
        rate = ahead.pop(0)
        grid[rate] = score(rate, min(grid.values(), default=50.0))
        best = min(grid, key=grid.__getitem__)
        if ahead:
            continue
        if best == max(grid) and len(grid) < MOST_POINTS:
            ahead = [best * FACTOR]
        elif best == min(grid) and len(grid) < MOST_POINTS:
            ahead = [best / FACTOR]
        elif not refined:
            ahead, refined = [best * FACTOR**0.5, best / FACTOR**0.5], True
    return grid
