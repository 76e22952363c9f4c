"""From sampled trajectories to all that credit assignment may look at."""

from collections.abc import Sequence

from vineppo.environment import Environment
from vineppo.seams import Segmenter
from vineppo.steps import TokenTexts
from vineppo.types import Scored, Trajectory


def judge_and_cut(
    environment: Environment, segment: Segmenter, token_texts: TokenTexts, trajectories: Sequence[Trajectory]
) -> list[Scored]:
    """The task judges, the segmenter cuts; one for each, in order."""
    judgements = environment.judge_trajectories(trajectories)
    return [
        Scored(trajectory=t, judgement=j, bounds=segment(t, token_texts(t.response_ids)))
        for t, j in zip(trajectories, judgements, strict=True)
    ]
