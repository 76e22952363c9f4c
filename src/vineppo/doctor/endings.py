"""Do responses end, and can the judge read them? Where not, every reward says the same."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from vineppo.doctor.finding import Finding, Verdict
from vineppo.doctor.probe import Probe
from vineppo.policy import Policy
from vineppo.recipes.warnings import cause_of, remedy
from vineppo.rng import derive_seed
from vineppo.tasks.settings import TaskSettings
from vineppo.types import Finish, Judgement, Outcome, Sampling, Trajectory

QUESTIONS = 8
SHOWN = 300
"""Letters of a response."""


def check_endings(probe: Probe, policy: Policy, task: TaskSettings, *, limit: int | None = None) -> list[Finding]:
    """Some responses as they will be sampled, up to their full length, or to a shorter one that there is time for."""
    asked, full = probe.questions[:QUESTIONS], probe.sampling.max_new_tokens
    tokens = full if limit is None else min(full, limit)
    sampled = probe.environment.sample(
        asked,
        count=1,
        sampling=replace(probe.sampling, max_new_tokens=tokens),
        seed=derive_seed(0, "doctor endings"),
    )
    share = fmean(trajectory.finish is Finish.TRUNCATED for trajectory in sampled)
    endings = judge_endings(share, len(sampled), policy=policy, sampling=probe.sampling, tried=tokens)
    return [endings, judge_answers(sampled, probe.environment.judge_trajectories(sampled), task, limit=full)]


def judge_answers(
    sampled: Sequence[Trajectory], judgements: Sequence[Judgement], task: TaskSettings, *, limit: int
) -> Finding:
    """What the judge says of them, and one to look at: the first that ended, of the outcome that most have."""
    pairs = list(zip(sampled, judgements, strict=True))
    ended = [pair for pair in pairs if pair[0].finish is Finish.TERMINATED]
    counts = Counter(judgement.outcome for _, judgement in ended or pairs)
    outcome, count = counts.most_common(1)[0]
    shown, judgement = next(pair for pair in ended or pairs if pair[1].outcome is outcome)
    text = shown.text if len(shown.text) <= SHOWN else f"... {shown.text[-SHOWN:]}"
    gold = f", the answer is {shown.question.answer}" if shown.question.answer else ""
    said = ", ".join(f"{number} {name}" for name, number in counts.most_common())
    found = (
        f"of {len(ended)} responses that ended: {said}; e.g. to {shown.question.id}{gold}: {text!r} is "
        f"{judgement.outcome}, reward {judgement.reward:g}"
        if ended
        else f"no response ended; one to {shown.question.id}{gold}: {text!r}"
    )
    amiss = bool(ended) and 2 * count > len(ended) and outcome not in (Outcome.CORRECT, Outcome.WRONG, Outcome.SCORED)
    return Finding(
        check="answers",
        verdict=Verdict.NOT_RUN if not ended else Verdict.WARN if amiss else Verdict.OK,
        found=found,
        remedy=f"most {cause_of(outcome, task, limit=limit)}" if amiss else "",
    )


def judge_endings(share: float, count: int, *, policy: Policy, sampling: Sampling, tried: int) -> Finding:
    """share: of `count` responses, those that did not end within the `tried` tokens, of all that they may have."""
    texts, limit = " or ".join(map(repr, sampling.stop)), sampling.max_new_tokens
    ends = f"{policy.end_names} and the text {texts}" if texts else policy.end_names
    found = f"{ends} end a response; {round(share * count)} of {count} were cut off at {tried} tokens"
    if tried < limit:
        found += f" (sampling.max_new_tokens is {limit}: there was no time for so many, see --seconds)"
    if share < 1:
        return Finding(check="endings", verdict=Verdict.OK, found=found)
    if tried < limit:
        return Finding(check="endings", verdict=Verdict.NOT_RUN, found=found)
    return Finding(
        check="endings", verdict=Verdict.WARN, found=found, remedy=f"sampling.max_new_tokens: {remedy(policy)}"
    )
