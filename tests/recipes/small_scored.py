"""Judged responses made by hand."""

from vineppo.types import Finish, Judgement, Outcome, Question, Scored, Trajectory


def scored_response(question: str, response: tuple[int, ...], reward: float, *, truncated: bool = False) -> Scored:
    """One step; the prompt is token 9."""
    trajectory = Trajectory(
        question=Question(id=question, prompt="?", answer=""),
        prompt_ids=(9,),
        response_ids=response,
        logprobs=(0.0,) * len(response),
        text="".join(map(str, response)),
        finish=Finish.TRUNCATED if truncated else Finish.TERMINATED,
        policy_version=0,
    )
    outcome = Outcome.CORRECT if reward == 1 else Outcome.WRONG
    return Scored(trajectory=trajectory, judgement=Judgement(reward=reward, outcome=outcome), bounds=(0, len(response)))
