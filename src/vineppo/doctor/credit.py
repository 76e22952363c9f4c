"""Which credit suits this policy and task: how often it would go another way decides what rollouts are worth."""

from math import exp, fsum
from statistics import fmean

from vineppo.config.schema import Config
from vineppo.doctor.finding import Finding, Verdict
from vineppo.doctor.probe import Sampled

UNSURE = 2.0
"""Departures a trajectory below which many restarts are nearly free (docs/map.md)."""
MANY = 3.0


def check_credit(config: Config, sampled: Sampled) -> Finding:
    """From the sampled trajectories' own log-probs. Never a failure: which credit is best is no matter of health."""
    if not config.recipe.assigns_credit:
        return Finding(check="credit", verdict=Verdict.OK, found=f"{config.recipe.name} gives every token the same.")
    departures = expected_departures(sampled)
    restarts = MANY if departures < UNSURE else 1 / departures
    found = (
        f"The policy leaves what it just wrote {departures:.1f} times a trajectory (the sum of 1 - p, over "
        f"{max(map(len, sampled.logprobs))} tokens at most). For least gradient noise per decoded token the map has "
        f"credit=tree with credit.restarts about {restarts:.2g}; `vineppo analyze` measures it here."
    )
    if config.credit.values == "rollouts" and not config.credit.learns_from_rollouts:
        found += f" credit={config.credit.name} only measures with its rollouts, which pays nowhere on it."
    return Finding(check="credit", verdict=Verdict.OK, found=found)


def expected_departures(sampled: Sampled) -> float:
    """Mean over trajectories of the sum of 1 - p. Rollouts, which begin half-way, are left out."""
    return fmean(fsum(1 - exp(logprob) for logprob in own) for own in sampled.logprobs[: sampled.trajectories])
