"""Whether values that are only measured can pay here: how often the policy would go another way."""

from math import exp, fsum
from statistics import fmean

from vineppo.config.schema import Config, CoupledCredit, PolicyIterationRecipe, VineCredit
from vineppo.doctor.finding import Finding, Verdict
from vineppo.doctor.probe import Sampled

FEW = 2.0
"""Departures a trajectory up to which rollouts that only measure can save more noise than they cost in tokens."""


def check_credit(config: Config, sampled: Sampled) -> Finding:
    """From the sampled trajectories' own log-probs."""
    if not isinstance(config.recipe, PolicyIterationRecipe):
        return Finding(check="credit", verdict=Verdict.OK, found=f"{config.recipe.name} gives every token the same.")
    departures = expected_departures(sampled)
    found = (
        f"The policy leaves what it just wrote {departures:.1f} times a trajectory (the sum of 1 - p over its first "
        f"{max(map(len, sampled.logprobs))} tokens at most)."
    )
    measures_only = isinstance(config.credit, VineCredit | CoupledCredit)
    if not measures_only or departures <= FEW:
        return Finding(check="credit", verdict=Verdict.OK, found=found)
    return Finding(
        check="credit",
        verdict=Verdict.WARN,
        found=f"{found} Above about {FEW:g}, rollouts that only measure cost more tokens than their values save.",
        remedy="compare with credit=tree and credit=rloo at equal tokens; `vineppo analyze` measures the noise of each",
    )


def expected_departures(sampled: Sampled) -> float:
    """Mean over trajectories of the sum of 1 - p. Rollouts, which begin half-way, are left out."""
    return fmean(fsum(1 - exp(logprob) for logprob in own) for own in sampled.logprobs[: sampled.trajectories])
