"""Can every question be asked? As a run finds out at its start, `vineppo.recipes.fitting`."""

from collections.abc import Sequence

from vineppo.doctor.finding import Finding, Verdict
from vineppo.recipes.fitting import has_half_characters
from vineppo.seams import Task
from vineppo.types import Prompt, Question


def whole_prompts(questions: Sequence[Question]) -> list[Prompt]:
    """Those that are text at all, and so have tokens."""
    return [question.prompt for question in questions if not has_half_characters(question)]


def describe_prompts(task: Task, *, dropped: str) -> Finding:
    """task: with the questions that can be asked. dropped: what is told of the others."""
    train, test = len(task.questions("train")), len(task.questions("test"))
    found = f"{train:,} training and {test:,} test questions fit into the context"
    if not dropped:
        return Finding(check="prompts", verdict=Verdict.OK, found=found)
    return Finding(
        check="prompts",
        verdict=Verdict.WARN,
        found=f"{found}; {dropped}",
        remedy="nothing, if they may go; training.unfit_questions=refuse ends a run instead",
    )
