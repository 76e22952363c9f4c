"""What a person should be told at once: numbers that mean something other than they seem to."""

from collections import Counter
from collections.abc import Sequence

from vineppo.policy import Policy
from vineppo.types import Outcome, Scored

MOST = 5
"""Different failures that a person reads of."""


def cut_off(share: float, what: str, *, policy: Policy, limit: int) -> str | None:
    """A warning where every response was cut off: then nothing was learned from how any of them ends."""
    if share < 1:
        return None
    return f"warning: all {what} were cut off at sampling.max_new_tokens {limit}; {remedy(policy)}"


def remedy(policy: Policy) -> str:
    """For the two ways in which that comes about."""
    return (
        "raise it where they are still at work; where they go on after their answer, the policy ends them with a token "
        f"that is none of {policy.end_names}: add it to eos_token_id in its generation_config.json, or what they go on "
        "with to sampling.stop"
    )


def failures(scored: Sequence[Scored], known: set[str]) -> list[str]:
    """Warnings of scorers that failed, each reason once: `known` has those that were told, and gets these."""
    counts = Counter(
        str(item.judgement.told.get("failure", "no reason given"))
        for item in scored
        if item.judgement.outcome is Outcome.FAILED
    )
    new = [reason for reason in counts if reason not in known][: max(0, MOST - len(known))]
    known.update(new)
    return [
        f"warning: the scorer failed on {counts[reason]} of {len(scored)} responses, whose reward is 0 ({reason})"
        for reason in new
    ]
