"""Does a weight update reach the sampler, keys and values included, and does it go back?

The weights are changed a little, handed to the engine, and everything is sampled again from the same prefixes. The
engine's log-probs must now be those of the new weights, not of the old ones, nor of old keys and values under new
weights. Then the old weights come back, and the very first samples with them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from transformers import PreTrainedModel

from vineppo.doctor.finding import Finding, Verdict
from vineppo.doctor.probe import Probe, Sampled, difference
from vineppo.rng import derive_seed

STRENGTH = 0.2
"""Of the change, relative to each vector's own size; of one that is 0 (Gemma's norms begin so), by itself."""
WORSE = 5.0
"""Times as far as before the update the sampler may be from the trainer after it."""
ROUNDING = 1e-4
"""Nats; nearer than this both always count as equal."""
BLIND = 0.3
"""Share of the update: a sampler that is further off to begin with hides staleness."""


def check_staleness(probe: Probe, model: PreTrainedModel, before: Sampled) -> Finding:
    """Changes the weights and changes them back."""
    version = probe.environment.engine.policy_version
    usual = difference(before.logprobs, probe.score(before))
    with changed(model):
        fresh = hand_over(probe, model, version + 1)
        new = probe.score(fresh)
    again = hand_over(probe, model, version + 2)
    return judge_update(
        versions_right=fresh.versions == {version + 1} and again.versions == {version + 2},
        usual=usual.mean,
        moved=difference(new, probe.score(fresh)).mean,
        off=difference(fresh.logprobs, new).mean,
        back=difference(again.logprobs, probe.score(again)).mean,
        same=same_tokens(before, again),
    )


def judge_update(*, versions_right: bool, usual: float, moved: float, off: float, back: float, same: float) -> Finding:
    """Mean differences of log-probs. usual: sampler from trainer, before. moved: of the trainer, by the update.

    off, back: sampler from trainer, after the update and after going back. same: share of samples that came again.
    """
    check, allowed = "stale cache", max(WORSE * usual, ROUNDING)
    found = (
        f"an update moves log-probs by {moved:.1e}; the sampler is {off:.1e} off after it and {back:.1e} after going "
        f"back ({usual:.1e} before), where {same:.0%} of the samples are the first ones again"
    )
    if not versions_right:
        remedy = "its load_weights does not take effect; report it with this table"
        return Finding(check=check, verdict=Verdict.FAIL, found=f"{found}; wrong policy version", remedy=remedy)
    if not max(off, back) <= allowed:
        remedy = "the engine samples with old weights or old keys and values: do not train with it; report it"
        return Finding(check=check, verdict=Verdict.FAIL, found=found, remedy=remedy)
    if moved <= ROUNDING:
        remedy = "the change of norms and biases moved nothing, so that nothing can be told"
        return Finding(check=check, verdict=Verdict.WARN, found=found, remedy=remedy)
    if allowed > BLIND * moved:
        remedy = "sampler and trainer differ too much to tell; see agreement"
        return Finding(check=check, verdict=Verdict.WARN, found=found, remedy=remedy)
    return Finding(check=check, verdict=Verdict.OK, found=found)


def hand_over(probe: Probe, model: PreTrainedModel, version: int) -> Sampled:
    """The model's weights as they are now, and what the engine samples with them."""
    probe.environment.engine.load_weights(model.state_dict(), policy_version=version)
    return probe.sample()


def same_tokens(one: Sampled, other: Sampled) -> float:
    """Share of samples that are equal to the token."""
    pairs = list(zip(one.tokens, other.tokens, strict=False))
    return sum(a.token_ids == b.token_ids for a, b in pairs) / len(pairs)


@contextmanager
def changed(model: PreTrainedModel) -> Iterator[None]:
    """All vectors (norms and biases: few numbers, in every layer) are others; then they are as before, to the bit."""
    vectors = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    kept = [parameter.detach().clone() for parameter in vectors]
    noise = torch.Generator().manual_seed(derive_seed(0, "doctor") % 2**63)
    with torch.no_grad():
        for parameter in vectors:
            size = STRENGTH * (float(parameter.float().square().mean().sqrt()) or 1.0)
            parameter.add_((size * torch.randn(parameter.shape, generator=noise)).to(parameter))
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, before in zip(vectors, kept, strict=True):
                parameter.copy_(before)
