"""Do responses end? Where they do not, all rewards are those of responses that were cut off."""

from dataclasses import replace
from statistics import fmean

from vineppo.doctor.finding import Finding, Verdict
from vineppo.doctor.probe import Probe
from vineppo.policy import Policy
from vineppo.recipes.warnings import remedy
from vineppo.rng import derive_seed
from vineppo.types import Finish, Sampling

QUESTIONS = 8


def check_endings(probe: Probe, policy: Policy, *, limit: int | None = None) -> Finding:
    """Some responses as they will be sampled, up to their full length, or to a shorter one that there is time for."""
    asked, full = probe.questions[:QUESTIONS], probe.sampling.max_new_tokens
    tokens = full if limit is None else min(full, limit)
    sampled = probe.environment.sample(
        asked,
        count=1,
        sampling=replace(probe.sampling, max_new_tokens=tokens),
        seed=derive_seed(0, "doctor endings"),
    )
    share = fmean(trajectory.finish is Finish.TRUNCATED for trajectory in sampled)
    return judge_endings(share, len(sampled), policy=policy, sampling=probe.sampling, tried=tokens)


def judge_endings(share: float, count: int, *, policy: Policy, sampling: Sampling, tried: int) -> Finding:
    """share: of `count` responses, those that did not end within the `tried` tokens, of all that they may have."""
    texts, limit = " or ".join(map(repr, sampling.stop)), sampling.max_new_tokens
    ends = f"{policy.end_names} and the text {texts}" if texts else policy.end_names
    found = f"{ends} end a response; {round(share * count)} of {count} were cut off at {tried} tokens"
    if tried < limit:
        found += f" (sampling.max_new_tokens is {limit}: there was no time for so many, see --seconds)"
    if share < 1:
        return Finding(check="endings", verdict=Verdict.OK, found=found)
    if tried < limit:
        return Finding(check="endings", verdict=Verdict.NOT_RUN, found=found)
    return Finding(
        check="endings", verdict=Verdict.WARN, found=found, remedy=f"sampling.max_new_tokens: {remedy(policy)}"
    )
