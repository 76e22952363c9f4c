"""From credited trajectories to what the learner sees: tokens, where the response begins, advantages."""

from collections.abc import Sequence

from vineppo.types import Branch, Credit, Sample, Scored


def to_samples(trajectories: Sequence[Scored], credits: Sequence[Credit]) -> list[Sample]:
    """Credited trajectories as the learner sees them."""
    return [to_sample(scored, credit) for scored, credit in zip(trajectories, credits, strict=True)]


def to_sample(scored: Scored, credit: Credit) -> Sample:
    """One of them."""
    tokens = scored.trajectory.tokens
    return Sample(
        token_ids=tokens.token_ids,
        prompt_length=tokens.prompt_length,
        logprobs=scored.trajectory.logprobs,
        advantages=credit.advantages,
        returns=credit.returns,
        mask=credit.mask,
    )


def to_branch_samples(trajectories: Sequence[Scored], credits: Sequence[Credit]) -> list[Sample]:
    """Rollouts that are learned from, as the learner sees them: what came before is their prompt."""
    return [
        to_branch_sample(scored, branch)
        for scored, credit in zip(trajectories, credits, strict=True)
        for branch in credit.branches
    ]


def to_branch_sample(scored: Scored, branch: Branch) -> Sample:
    """One of them."""
    before = scored.trajectory.prompt_ids + scored.trajectory.response_ids[: branch.position] + branch.before
    own = branch.completion
    return Sample(
        token_ids=before + own.token_ids,
        prompt_length=len(before),
        logprobs=own.logprobs,
        advantages=branch.advantages,
        mask=branch.mask,
    )
