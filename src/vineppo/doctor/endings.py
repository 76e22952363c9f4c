"""Do responses end? Where they do not, all rewards are those of responses that were cut off."""

from statistics import fmean

from vineppo.doctor.finding import Finding, Verdict
from vineppo.doctor.probe import Probe
from vineppo.policy import Policy
from vineppo.recipes.warnings import remedy
from vineppo.rng import derive_seed
from vineppo.types import Finish, Sampling

QUESTIONS = 8


def check_endings(probe: Probe, policy: Policy) -> Finding:
    """Some responses as they will be sampled, up to their full length."""
    asked = probe.questions[:QUESTIONS]
    sampled = probe.environment.sample(asked, count=1, sampling=probe.sampling, seed=derive_seed(0, "doctor endings"))
    share = fmean(trajectory.finish is Finish.TRUNCATED for trajectory in sampled)
    return judge_endings(share, len(sampled), policy=policy, sampling=probe.sampling)


def judge_endings(share: float, count: int, *, policy: Policy, sampling: Sampling) -> Finding:
    """share: of `count` responses, cut off."""
    strings = f" and the text {' or '.join(map(repr, sampling.stop))}" if sampling.stop else ""
    cut_off = f"{round(share * count)} of {count} were cut off at {sampling.max_new_tokens} tokens"
    found = f"{policy.end_names}{strings} end a response; {cut_off}"
    if share < 1:
        return Finding(check="endings", verdict=Verdict.OK, found=found)
    return Finding(
        check="endings", verdict=Verdict.WARN, found=found, remedy=f"sampling.max_new_tokens: {remedy(policy)}"
    )
