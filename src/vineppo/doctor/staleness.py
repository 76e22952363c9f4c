"""Does a weight update reach the sampler, keys and values included, and does it go back?

The weights are changed a little, handed to the engine, and everything is sampled again from the same prefixes. The
engine's log-probs must now be those of the new weights, not of the old ones, nor of old keys and values under new
weights. Then the old weights come back, and the very first samples with them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from transformers import PreTrainedModel

from vineppo.doctor.agreement import LOOSE
from vineppo.doctor.finding import Finding, Verdict
from vineppo.doctor.probe import Difference, Probe, Sampled, difference
from vineppo.rng import derive_seed

STRENGTH = 0.2
"""Of the change, relative to each vector's own size."""
STALE = 0.3
"""Share of the whole change by which the sampler may be off after the update."""


def check_staleness(probe: Probe, model: PreTrainedModel, before: Sampled) -> Finding:
    """Changes the weights and changes them back."""
    version = probe.environment.engine.policy_version
    with changed(model):
        fresh = hand_over(probe, model, version + 1)
        new = probe.score(fresh)
    again = hand_over(probe, model, version + 2)
    return judge_update(
        versions_right=fresh.versions == {version + 1} and again.versions == {version + 2},
        off=difference(fresh.logprobs, new),
        moved=difference(new, probe.score(fresh)),
        back=difference(again.logprobs, probe.score(again)),
        same=same_tokens(before, again),
    )


def judge_update(*, versions_right: bool, off: Difference, moved: Difference, back: Difference, same: float) -> Finding:
    """off: of the sampler from the new weights. moved: the update itself. back: of the sampler after going back."""
    check = "stale cache"
    found = (
        f"after an update that moves log-probs by {moved.mean:.1e} the sampler is {off.mean:.1e} off, and "
        f"{back.mean:.1e} after going back, where {same:.0%} of the samples are the first ones again"
    )
    if not versions_right:
        remedy = "its load_weights does not take effect; report it with this table"
        return Finding(check=check, verdict=Verdict.FAIL, found=f"{found}; wrong policy version", remedy=remedy)
    if not max(off.mean, back.mean) <= max(STALE * moved.mean, 1e-6):
        remedy = "the engine samples with old weights or old keys and values: do not train with it; report it"
        return Finding(check=check, verdict=Verdict.FAIL, found=found, remedy=remedy)
    if max(off.mean, back.mean) > LOOSE:
        return Finding(check=check, verdict=Verdict.WARN, found=found, remedy="see agreement")
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
            size = STRENGTH * float(parameter.float().square().mean().sqrt())
            parameter.add_((size * torch.randn(parameter.shape, generator=noise)).to(parameter))
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, before in zip(vectors, kept, strict=True):
                parameter.copy_(before)
