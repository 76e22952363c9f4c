"""What was found, and what follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import fmean

from chain_map.exact import exact
from chain_map.family import Chain
from chain_map.methods import METHODS, Kind, method
from chain_map.noise import Loudness
from chain_map.ranking import Verdict, verdict
from chain_map.training import Optimizer
from chain_map.tuning import Trained

REFERENCE = "RLOO"


@dataclass(frozen=True, kw_only=True)
class Gain:
    """How many times fewer tokens than RLOO a method needs for the same noise; below 1: more."""

    method: str
    times: float
    error: float
    """Relative."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """All of it."""

    chains: Sequence[Chain]
    trained: Sequence[Chain]
    noise: dict[tuple[str, str], Loudness]
    """By chain and method."""
    foretold: dict[tuple[str, str, float], Loudness]
    """By chain, method and share of the way."""
    training: dict[tuple[str, str, Optimizer], Trained]

    def gain(self, chain: Chain, name: str, *, judging: float = 0.0, rollout_price: float = 1.0) -> Gain:
        """On the map."""
        own, reference = self.noise[chain.name, name], self.noise[chain.name, REFERENCE]
        times = reference.per_token(judging=judging) / own.per_token(judging=judging, rollout_price=rollout_price)
        return Gain(method=name, times=times, error=own.error)

    def best(self, chain: Chain, kind: Kind, *, judging: float = 0.0, rollout_price: float = 1.0) -> Gain:
        """Of the methods of a kind."""
        gains = [
            self.gain(chain, own.name, judging=judging, rollout_price=rollout_price)
            for own in METHODS
            if own.kind == kind
        ]
        return max(gains, key=lambda gain: gain.times)

    def break_even(self, chain: Chain) -> float | None:
        """The price of a rollout's token below which measured step credit is worth more than RLOO; None: at no price.

        With the noise two standard errors above what was found: what seems to pay should do so.
        """
        reference = self.noise[chain.name, REFERENCE].per_token()
        prices = []
        for own in METHODS:
            found = self.noise[chain.name, own.name]
            spare = reference / (found.noise * (1 + 2 * found.error)) - found.trajectory_tokens
            if own.kind == "measured" and spare > 0:
                prices.append(spare / found.rollout_tokens)
        return max(prices, default=None)

    def foretold_cost(self, chain: Chain, name: str, *, signal: float = 0.0) -> float:
        """Noise times tokens, the geometric mean over the points on the way.

        signal: 1 adds what an update of one question costs if it has no noise at all.
        """
        own = [found for (place, who, _), found in self.foretold.items() if (place, who) == (chain.name, name)]
        return exp(fmean(log(found.per_token() * (1 + signal / found.noise)) for found in own))

    def trained_methods(self, chain: Chain, optimizer: Optimizer) -> list[str]:
        """Names, in order."""
        return [name for place, name, how in self.training if place == chain.name and how == optimizer]

    def verdict(
        self, chain: Chain, optimizer: Optimizer, *, without: Sequence[Kind] = (), signal: float = 0.0
    ) -> Verdict:
        """Whether the noise foretold the ranking."""
        names = [name for name in self.trained_methods(chain, optimizer) if method(name).kind not in without]
        return verdict(
            {name: self.foretold_cost(chain, name, signal=signal) for name in names},
            {name: self.training[chain.name, name, optimizer].logs for name in names},
        )

    @property
    def optimizers(self) -> list[Optimizer]:
        """That were used."""
        return list(dict.fromkeys(how for _, _, how in self.training))


def departures(chain: Chain) -> float:
    """N_d at the start."""
    return exact(chain, chain.start()).departures


def success(chain: Chain) -> float:
    """At the start."""
    return exact(chain, chain.start()).success
