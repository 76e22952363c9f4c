"""Trajectories as a person reads them: each step with its value, its advantage and example continuations."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

from vineppo.analysis.intervals import Interval, are_shares, change_interval, value_interval
from vineppo.recipes.algorithm import Experience
from vineppo.steps import TokenTexts
from vineppo.types import Credit, Critique, Rollout, Scored, StateValue, asked_text

ReadPrompt = Callable[[Sequence[int]], str]
"""Token ids of a prompt as the text that the policy sees, see `vineppo.chat.prompt_reader`."""


def trajectory_records(
    experience: Experience, token_texts: TokenTexts, read_prompt: ReadPrompt, *, count: int
) -> list[dict[str, Any]]:
    """The first `count` trajectories of an iteration, ready for JSON."""
    pairs = list(zip(experience.scored, experience.credits, strict=True))[:count]
    return [
        {"iteration": experience.iteration, **trajectory_record(scored, credit, token_texts, read_prompt)}
        for scored, credit in pairs
    ]


def trajectory_record(
    scored: Scored, credit: Credit, token_texts: TokenTexts, read_prompt: ReadPrompt
) -> dict[str, Any]:
    """One trajectory."""
    trajectory = scored.trajectory
    pieces = token_texts(trajectory.response_ids)
    by_position = {value.position: value for value in credit.values}
    shares = are_shares([scored.reward, *(rollout.reward for own in credit.values for rollout in own.rollouts)])
    return {
        "question": trajectory.question.id,
        "asked": asked_text(trajectory.question.prompt),
        "prompt": read_prompt(trajectory.prompt_ids),
        "response": trajectory.text,
        "answer": trajectory.question.answer,
        "reward": scored.reward,
        "outcome": str(scored.judgement.outcome),
        "finish": str(trajectory.finish),
        "policy_version": trajectory.policy_version,
        **({"told": dict(scored.judgement.told)} if scored.judgement.told else {}),
        **({"critiques": [_critique_record(critique) for critique in credit.critiques]} if credit.critiques else {}),
        "steps": [
            {
                "text": "".join(pieces[start:stop]),
                "position": start,
                "tokens": stop - start,
                "advantage": fmean(credit.advantages[start:stop]),
                "advantage_error": _advantage_error(credit, start),
                "advantage_interval": _advantage_interval(
                    by_position.get(start), by_position.get(stop), _advantage_error(credit, start), shares=shares
                ),
                **_state_record(by_position.get(start), pieces[:start], shares=shares),
            }
            for start, stop in pairwise(scored.bounds)
        ],
    }


def _critique_record(critique: Critique) -> dict[str, Any]:
    """Steps counted from 1, as the critic did."""
    wrong = None if critique.wrong is None else [step + 1 for step in critique.wrong]
    return {"wrong_steps": wrong, "text": critique.text}


def _advantage_error(credit: Credit, start: int) -> float | None:
    return None if credit.standard_errors is None else credit.standard_errors[start]


def _advantage_interval(
    before: StateValue | None, after: StateValue | None, standard_error: float | None, *, shares: bool
) -> Interval | None:
    if before is None or after is None or before.standard_error is None or after.standard_error is None:
        return None
    return change_interval(before, after, standard_error, shares=shares)


def _state_record(value: StateValue | None, before: Sequence[str], *, shares: bool) -> dict[str, Any]:
    if value is None:
        return {"value": None, "standard_error": None, "interval": None, "num_rollouts": 0, "rollouts": []}
    written = len("".join(before))
    return {
        "value": value.value,
        "standard_error": value.standard_error,
        "interval": value_interval(value.value, value.standard_error, shares=shares),
        "num_rollouts": len(value.rollouts),
        "rollouts": [{"text": r.text[written:], "reward": r.reward} for r in contrasting(value.rollouts)],
    }


def contrasting(rollouts: Sequence[Rollout]) -> list[Rollout]:
    """The best- and the worst-rewarded, the earliest of each: where some succeed and some fail, one of both."""
    if len(rollouts) <= 2:
        return list(rollouts)
    best = max(rollouts, key=lambda rollout: rollout.reward)
    others = [rollout for rollout in rollouts if rollout is not best]
    return [best, min(others, key=lambda rollout: rollout.reward)]
