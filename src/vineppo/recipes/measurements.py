"""What an iteration's records say, as metrics. Pure."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import fmean, pstdev

from vineppo.metrics import Metrics
from vineppo.types import Credit, Finish, Judgement, Outcome, Rollout, Scored

SIGNIFICANT = 2.0
"""Standard errors."""
ROUNDING = 1e-9
"""An advantage this small is 0."""


def trajectory_metrics(scored: Sequence[Scored]) -> Metrics:
    """Rewards, outcomes, lengths, steps."""
    trajectories = [item.trajectory for item in scored]
    responses = response_metrics(
        [trajectory.question.id for trajectory in trajectories],
        [item.judgement for item in scored],
        [trajectory.finish for trajectory in trajectories],
        [len(trajectory.response_ids) for trajectory in trajectories],
    )
    left_out = sum(item.judgement.left_out for item in scored)
    return (
        responses
        | {"steps/mean": fmean(item.num_steps for item in scored)}
        | ({"completions/left_out": left_out / len(scored)} if left_out else {})
    )


def response_metrics(
    questions: Sequence[str], judgements: Sequence[Judgement], finishes: Sequence[Finish], lengths: Sequence[int]
) -> Metrics:
    """One entry a response in each of the four; responses of one question are a group."""
    groups: dict[str, list[float]] = defaultdict(list)
    for question, judgement in zip(questions, judgements, strict=True):
        groups[question].append(judgement.reward)
    spreads = [pstdev(rewards) for rewards in groups.values()]
    outcomes = Counter(judgement.outcome for judgement in judgements)
    return {
        "reward": fmean(judgement.reward for judgement in judgements),
        "reward_std": fmean(spreads),
        "frac_reward_zero_std": fmean(spread == 0 for spread in spreads),
        **{f"outcome/{outcome}": outcomes[outcome] / len(judgements) for outcome in Outcome if outcomes[outcome]},
        "completions/mean_length": fmean(lengths),
        "completions/clipped_ratio": fmean(finish is Finish.TRUNCATED for finish in finishes),
        "tokens/trajectories": float(sum(lengths)),
    }


def credit_metrics(credits: Sequence[Credit]) -> Metrics:
    """What was measured for credit. A state shared by several trajectories holds the same rollouts: counted once."""
    measured = {id(value.rollouts): value.rollouts for credit in credits for value in credit.values if value.rollouts}
    distinct: dict[int, Rollout] = {id(rollout): rollout for state in measured.values() for rollout in state}
    rollouts = [*distinct.values(), *(rollout for credit in credits for rollout in credit.pilot)]
    metrics: Metrics = {"credit/advantage_std": pstdev(a for credit in credits for a in credit.advantages)}
    if (significant := _significant(credits)) is not None:
        metrics["credit/significant"] = significant
    if masks := [credit.mask for credit in credits if credit.mask is not None]:
        metrics["credit/tokens_learning"] = fmean(learns for mask in masks for learns in mask)
    if branches := sum(len(credit.branches) for credit in credits):
        metrics["credit/branches"] = float(branches)
    if rollouts:
        metrics |= {
            "credit/states": float(len(measured)),
            "credit/rollouts": float(len(rollouts)),
            "credit/rollouts_truncated": fmean(r.completion.finish is Finish.TRUNCATED for r in rollouts),
            "tokens/rollouts": float(sum(len(r.completion.token_ids) for r in rollouts)),
        }
    return metrics | critique_metrics(credits)


def critique_metrics(credits: Sequence[Credit]) -> Metrics:
    """What critics said. Responses that are the same hold the same critiques: counted once."""
    distinct = {id(credit.critiques): credit.critiques for credit in credits if credit.critiques}
    critiques = [critique for own in distinct.values() for critique in own]
    if not critiques:
        return {}
    named = [len(critique.wrong) for critique in critiques if critique.wrong is not None]
    return {
        "credit/critiques": float(len(critiques)),
        "credit/critiques_unparseable": 1 - len(named) / len(critiques),
        **({"credit/wrong_steps": fmean(named)} if named else {}),
        "tokens/critiques": float(sum(critique.tokens for critique in critiques)),
    }


def _significant(credits: Sequence[Credit]) -> float | None:
    """Share of the steps between measured states; None where no method says how sure it is."""
    steps = [
        abs(credit.advantages[state.position]) > SIGNIFICANT * credit.standard_errors[state.position] + ROUNDING
        for credit in credits
        if credit.standard_errors is not None
        for state in credit.values[:-1]
    ]
    return fmean(steps) if steps else None
