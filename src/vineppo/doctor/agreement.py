"""Do sampler and trainer give the same tokens the same log-probs? They should be one policy."""

from vineppo.doctor.finding import Finding, Verdict
from vineppo.doctor.probe import Difference, Probe, Sampled, difference

TIGHT, LOOSE = 1e-3, 5e-2
"""Mean difference in nats: rounding in float32 stays far below the first, in bfloat16 below the second."""


def check_agreement(probe: Probe, sampled: Sampled) -> Finding:
    """The engine's log-probs beside those the learner computes."""
    return judge_difference("agreement", difference(sampled.logprobs, probe.score(sampled)))


def judge_difference(check: str, apart: Difference) -> Finding:
    """Rounding, low precision, or another model."""
    found = (
        f"log-probs of sampler and trainer differ by {apart.mean:.1e} on average, at most {apart.largest:.1e}, "
        f"over {apart.tokens:,} tokens"
    )
    if apart.mean <= TIGHT:
        return Finding(check=check, verdict=Verdict.OK, found=found)
    if apart.mean <= LOOSE:
        remedy = "usual where the engine samples in bfloat16; watch sampler_kl, or let the engine sample in float32"
        return Finding(check=check, verdict=Verdict.WARN, found=found, remedy=remedy)
    remedy = "the engine samples from another model or law than the one trained: check its dtype and its weights"
    return Finding(check=check, verdict=Verdict.FAIL, found=found, remedy=remedy)
