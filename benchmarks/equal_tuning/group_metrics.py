"""What is told of an iteration's responses when a peer sampled them: our names, our definitions."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import fmean, pstdev

from vineppo.metrics import Metrics
from vineppo.types import Finish, Judgement


def group_metrics(
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
        **{f"outcome/{outcome}": count / len(judgements) for outcome, count in sorted(outcomes.items())},
        "completions/mean_length": fmean(lengths),
        "completions/clipped_ratio": fmean(finish is Finish.TRUNCATED for finish in finishes),
        "tokens/trajectories": float(sum(lengths)),
    }
