"""Tokens that an update has no gradient for, and need not be computed.

Without a KL, a token without an advantage adds nothing to the gradient but through the tokens after
it, which are read by what comes later. So nothing is lost by cutting a response after its last advantage.
"""

from dataclasses import replace

from vineppo.types import Sample


def without_idle_tail(sample: Sample) -> Sample:
    """The sample up to its last token with an advantage to learn from; without any, up to its first token."""
    teaching = [
        place
        for place, (advantage, learns) in enumerate(zip(sample.advantages, sample.learning, strict=True))
        if advantage and learns
    ]
    end = teaching[-1] + 1 if teaching else 1
    return replace(
        sample,
        token_ids=sample.token_ids[: sample.prompt_length + end],
        logprobs=sample.logprobs[:end],
        advantages=sample.advantages[:end],
        returns=None if sample.returns is None else sample.returns[:end],
        mask=None if sample.mask is None else sample.mask[:end],
    )
