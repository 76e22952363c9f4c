"""Accuracy on held-out questions."""

from collections import defaultdict
from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev

from vineppo.environment import Environment
from vineppo.metrics import Metrics
from vineppo.seams import Progress
from vineppo.types import Finish, Outcome, Question, Sampling


def evaluate(
    environment: Environment,
    questions: Sequence[Question],
    *,
    samples: int,
    sampling: Sampling,
    seed: int,
    progress: Progress | None = None,
) -> Metrics:
    """Mean reward over `samples` responses per question (avg@samples), its standard error over questions."""
    responses = environment.sample(questions, count=samples, sampling=sampling, seed=seed, progress=progress)
    judgements = environment.judge_trajectories(responses)
    by_question: dict[str, list[float]] = defaultdict(list)
    for response, judgement in zip(responses, judgements, strict=True):
        by_question[response.question.id].append(judgement.reward)
    means = [fmean(rewards) for rewards in by_question.values()]
    scored = any(judgement.outcome is Outcome.SCORED for judgement in judgements)
    return {
        "eval/accuracy": fmean(means),
        **({"eval/reward": fmean(means)} if scored else {}),
        "eval/standard_error": stdev(means) / sqrt(len(means)) if len(means) > 1 else 0.0,
        "eval/clipped_ratio": fmean(r.finish is Finish.TRUNCATED for r in responses),
        "tokens/evaluation": float(sum(len(r.response_ids) for r in responses)),
    }
