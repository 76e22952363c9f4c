"""Trajectories as a person reads them: each step with its value, its advantage and example continuations."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

from vineppo.recipes.algorithm import Experience
from vineppo.steps import TokenTexts
from vineppo.types import Credit, Scored, StateValue, prompt_text

EXAMPLES = 2
"""Rollouts shown per state."""


def trajectory_records(experience: Experience, token_texts: TokenTexts, *, count: int) -> list[dict[str, Any]]:
    """The first `count` trajectories of an iteration, ready for JSON."""
    pairs = list(zip(experience.scored, experience.credits, strict=True))[:count]
    return [
        {"iteration": experience.iteration, **trajectory_record(scored, credit, token_texts)}
        for scored, credit in pairs
    ]


def trajectory_record(scored: Scored, credit: Credit, token_texts: TokenTexts) -> dict[str, Any]:
    """One trajectory."""
    trajectory = scored.trajectory
    pieces = token_texts(trajectory.response_ids)
    by_position = {value.position: value for value in credit.values}
    return {
        "question": trajectory.question.id,
        "prompt": prompt_text(trajectory.question.prompt),
        "response": trajectory.text,
        "answer": trajectory.question.answer,
        "reward": scored.reward,
        "outcome": str(scored.judgement.outcome),
        "finish": str(trajectory.finish),
        "policy_version": trajectory.policy_version,
        "steps": [
            {
                "text": "".join(pieces[start:stop]),
                "position": start,
                "tokens": stop - start,
                "advantage": fmean(credit.advantages[start:stop]),
                **_state_record(by_position.get(start), pieces[:start]),
            }
            for start, stop in pairwise(scored.bounds)
        ],
    }


def _state_record(value: StateValue | None, before: Sequence[str]) -> dict[str, Any]:
    if value is None:
        return {"value": None, "standard_error": None, "rollouts": []}
    written = len("".join(before))
    return {
        "value": value.value,
        "standard_error": value.standard_error,
        "rollouts": [{"text": r.text[written:], "reward": r.reward} for r in value.rollouts[:EXAMPLES]],
    }
