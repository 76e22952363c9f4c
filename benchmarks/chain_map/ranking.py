"""Does the noise foretell which method trains faster?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from statistics import fmean, variance

CLEAR = 2.2
"""Standard errors by which two methods differ clearly: about 95 % at ten seeds each."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """On one chain."""

    tau: float
    """Kendall's, over all pairs."""
    contradicted: tuple[tuple[str, str], ...]
    """Pairs that training separates clearly, (faster, slower), and the prediction ranks the other way."""
    separated: int
    """Pairs that training separates clearly."""
    predicted_best: str
    fastest: tuple[str, ...]
    """The fastest, and all that training cannot tell from it."""

    @property
    def agrees(self) -> bool:
        """No clear difference is foretold the wrong way, and the method foretold to be best is among the fastest."""
        return not self.contradicted and self.predicted_best in self.fastest


def verdict(predicted: Mapping[str, float], logs: Mapping[str, Sequence[float]]) -> Verdict:
    """predicted: noise times cost, less is better. logs: of the tokens that each seed's run took."""
    means = {name: fmean(own) for name, own in logs.items()}
    pairs = list(combinations(predicted, 2))
    same = [(predicted[a] - predicted[b]) * (means[a] - means[b]) for a, b in pairs]
    clear = [pair if means[pair[0]] < means[pair[1]] else pair[::-1] for pair in pairs if differ(logs, *pair)]
    first = min(means, key=means.__getitem__)
    return Verdict(
        tau=fmean((product > 0) - (product < 0) for product in same),
        contradicted=tuple((fast, slow) for fast, slow in clear if predicted[fast] > predicted[slow]),
        separated=len(clear),
        predicted_best=min(predicted, key=predicted.__getitem__),
        fastest=(first, *(name for name in means if name != first and not differ(logs, first, name))),
    )


def differ(logs: Mapping[str, Sequence[float]], one: str, other: str) -> bool:
    """Clearly, by Welch's measure."""
    error = sqrt(sum(variance(logs[name]) / len(logs[name]) for name in (one, other)))
    return abs(fmean(logs[one]) - fmean(logs[other])) > CLEAR * error
