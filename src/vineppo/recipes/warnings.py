"""What a person should be told at once: numbers that mean something other than they seem to."""

from vineppo.policy import Policy


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
