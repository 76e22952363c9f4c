"""From sampled trajectories to all that credit assignment may look at."""

from collections.abc import Sequence

from vineppo.environment import Environment
from vineppo.seams import Segmenter
from vineppo.steps import TokenTexts
from vineppo.types import Judgement, Scored, Trajectory


def judge_and_cut(
    environment: Environment, segment: Segmenter, token_texts: TokenTexts, trajectories: Sequence[Trajectory]
) -> list[Scored]:
    """The task judges, the segmenter cuts; one for each, in order."""
    judgements = environment.judge_trajectories(trajectories)
    return [cut(segment, token_texts, t, j) for t, j in zip(trajectories, judgements, strict=True)]


def cut(segment: Segmenter, token_texts: TokenTexts, trajectory: Trajectory, judgement: Judgement) -> Scored:
    """The steps of a judged trajectory."""
    bounds = segment(trajectory, token_texts(trajectory.response_ids))
    return Scored(trajectory=trajectory, judgement=judgement, bounds=bounds)
