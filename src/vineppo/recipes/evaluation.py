"""Accuracy on held-out questions, and what it is made of."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev
from typing import Any

from vineppo.analysis.intervals import Interval, are_shares, value_interval
from vineppo.credit.certainty import mean_variance, reward_range
from vineppo.environment import Environment
from vineppo.metrics import Metrics
from vineppo.seams import Progress
from vineppo.types import Finish, Judgement, Outcome, Question, Sampling, Trajectory, asked_text

Answered = Sequence[tuple[Trajectory, Judgement]]
"""Responses, and what the judge says of them."""


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
    return eval_metrics(
        answer(environment, questions, samples=samples, sampling=sampling, seed=seed, progress=progress)
    )


def answer(
    environment: Environment,
    questions: Sequence[Question],
    *,
    samples: int,
    sampling: Sampling,
    seed: int,
    progress: Progress | None = None,
) -> Answered:
    """The policy's answers, judged."""
    responses = environment.sample(questions, count=samples, sampling=sampling, seed=seed, progress=progress)
    return list(zip(responses, environment.judge_trajectories(responses), strict=True))


def question_means(answered: Answered) -> list[float]:
    """Of rewards, one a question."""
    by_question: dict[str, list[float]] = defaultdict(list)
    for response, judgement in answered:
        by_question[response.question.id].append(judgement.reward)
    return [fmean(rewards) for rewards in by_question.values()]


def eval_metrics(answered: Answered) -> Metrics:
    """What stands in metrics.jsonl."""
    means = question_means(answered)
    rewards = [judgement.reward for _, judgement in answered]
    scored = any(judgement.outcome is Outcome.SCORED for _, judgement in answered) or not are_shares(rewards)
    return {
        "eval/accuracy": fmean(means),
        **({"eval/reward": fmean(means)} if scored else {}),
        "eval/standard_error": stdev(means) / sqrt(len(means)) if len(means) > 1 else 0.0,
        "eval/clipped_ratio": fmean(r.finish is Finish.TRUNCATED for r, _ in answered),
        "tokens/evaluation": float(sum(len(r.response_ids) for r, _ in answered)),
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluated:
    """A policy on the test questions."""

    metrics: Metrics
    questions: int
    interval: Interval
    """95 %, of the mean reward over questions; never empty, also where all rewards are equal."""
    outcomes: dict[str, int]
    """Responses by what the judge found, the most frequent first."""
    records: list[dict[str, Any]]
    """One a response, ready for JSON."""


def evaluated(answered: Answered, read_prompt: Callable[[Sequence[int]], str]) -> Evaluated:
    """All that a person wants to see of an evaluation. read_prompt: its token ids as the text that the policy sees."""
    means = question_means(answered)
    value, error = fmean(means), sqrt(mean_variance(means, spread=reward_range(means)))
    interval = value_interval(value, error, shares=are_shares(means))
    assert interval is not None
    outcomes = Counter(str(judgement.outcome) for _, judgement in answered)
    return Evaluated(
        metrics=eval_metrics(answered),
        questions=len(means),
        interval=interval,
        outcomes=dict(outcomes.most_common()),
        records=[response_record(own, judgement, read_prompt(own.prompt_ids)) for own, judgement in answered],
    )


def response_record(response: Trajectory, judgement: Judgement, prompt: str) -> dict[str, Any]:
    """One response."""
    return {
        "question": response.question.id,
        "asked": asked_text(response.question.prompt),
        "prompt": prompt,
        "response": response.text,
        "answer": response.question.answer,
        "reward": judgement.reward,
        "outcome": str(judgement.outcome),
        "finish": str(response.finish),
        **({"told": dict(judgement.told)} if judgement.told else {}),
    }
