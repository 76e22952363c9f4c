"""From finished responses to judgements: find the answer, then judge it against the question's."""

from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.tasks.judge.extract import read_answer
from vineppo.tasks.judge.mathematics import MathJudge
from vineppo.types import Judgement, Outcome, Question


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerVerdicts:
    """Reward 1 for a correct answer."""

    judge: MathJudge
    marker: str | None
    """What stands before the answer; none: it stands in the last box."""

    def __call__(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """Batched, so that slow answers are judged side by side."""
        answers = [read_answer(response, self.marker) for response in responses]
        outcomes = self.judge.outcomes(answers, [question.answer for question in questions])
        return [Judgement(reward=float(outcome == Outcome.CORRECT), outcome=outcome) for outcome in outcomes]


def answer_verdicts(marker: str | None) -> AnswerVerdicts:
    """With a judge of its own."""
    return AnswerVerdicts(judge=MathJudge(), marker=marker)
