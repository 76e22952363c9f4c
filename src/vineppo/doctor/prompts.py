"""Can every question be asked? As a run finds out at its start, `vineppo.recipes.fitting`."""

from collections.abc import Sequence

from vineppo.chat import prompt_reader
from vineppo.doctor.finding import Finding, Verdict
from vineppo.policy import Policy
from vineppo.recipes.fitting import has_half_characters
from vineppo.seams import Task
from vineppo.types import Prompt, Question

SHOWN = 300
"""Letters of a prompt."""


def whole_prompts(questions: Sequence[Question]) -> list[Prompt]:
    """Those that are text at all, and so have tokens."""
    return [question.prompt for question in questions if not has_half_characters(question)]


def describe_prompts(task: Task, policy: Policy, *, dropped: str) -> Finding:
    """How many, and the first as the policy sees it. task: with the questions that can be asked. dropped: what is told
    of the others."""
    first = task.questions("train")[0]
    seen = prompt_reader(policy.tokenizer)(policy.encode(first.prompt))
    text = seen if len(seen) <= SHOWN else f"{seen[: SHOWN // 2]} ... {seen[-SHOWN // 2 :]}"
    train, test = len(task.questions("train")), len(task.questions("test"))
    found = (
        f"{train:,} training and {test:,} test questions fit into the context; {first.id} as the policy sees it: "
        f"{text!r}"
    )
    if isinstance(first.prompt, str) and policy.tokenizer.chat_template:
        found += "; that is text, and the policy's chat template is not used (task.chat)"
    if not dropped:
        return Finding(check="prompts", verdict=Verdict.OK, found=found)
    return Finding(
        check="prompts",
        verdict=Verdict.WARN,
        found=f"{found}; {dropped}",
        remedy="nothing, if they may go; training.unfit_questions=refuse ends a run instead",
    )
