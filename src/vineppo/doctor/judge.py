"""Does the judge accept the task's own gold answers, and refuse wrong ones?"""

from collections.abc import Sequence
from decimal import Decimal

from vineppo.config.schema import (
    ArithmeticTask,
    CustomTask,
    DatasetTask,
    Gsm8kTask,
    MathTask,
    ReasoningGymTask,
    RegistersTask,
    TaskConfig,
    WordProblemsTask,
)
from vineppo.doctor.finding import Finding, Verdict
from vineppo.seams import Task
from vineppo.types import Question

QUESTIONS = 64
FULL = 1.0
"""Reward of a right answer."""


def check_judge(config: TaskConfig, task: Task) -> Finding:
    """Gold answers, the same answers spoilt, and no answer at all, on the first test questions."""
    if why := unjudged(config):
        return Finding(check="judge", verdict=Verdict.NOT_RUN, found=why)
    questions = task.questions("test")[:QUESTIONS]
    gold = accepted(task, questions, [right(config, q.answer) for q in questions])
    spoilt = accepted(task, questions, [right(config, wrong(config, q.answer)) for q in questions])
    silent = accepted(task, questions, [""] * len(questions))
    mistakes = (
        ("gold answers are refused", [q for q in questions if q not in gold]),
        ("wrong answers are accepted", spoilt),
        ("empty responses are accepted", silent),
    )
    problems = [
        f"{len(those)} of {len(questions)} {what}, e.g. question {those[0].id} (answer {those[0].answer!r})"
        for what, those in mistakes
        if those
    ]
    if problems:
        remedy = "see what the task reads as the answer (docs/judge.md): task.answer_marker, the gold column"
        return Finding(check="judge", verdict=Verdict.FAIL, found="; ".join(problems), remedy=remedy)
    found = f"{len(questions)} gold answers accepted; the same spoilt, and empty responses, refused"
    return Finding(check="judge", verdict=Verdict.OK, found=found)


def accepted(task: Task, questions: Sequence[Question], responses: Sequence[str]) -> list[Question]:
    """Those whose response earned the full reward."""
    judged = zip(questions, task.judge(questions, responses), strict=True)
    return [question for question, judgement in judged if judgement.reward >= FULL]


def unjudged(config: TaskConfig) -> str:
    """Why a task's judge cannot be tried; empty where it can."""
    match config:
        case DatasetTask(rewards=[_, *_]):
            return "reward functions judge, and nothing says what they should answer"
        case CustomTask():
            return "the task is an object of yours"
        case _:
            return ""


def right(config: TaskConfig, answer: str) -> str:
    """A response that ends with this answer in the form that the task reads."""
    match config:
        case ArithmeticTask() | RegistersTask():
            return f"####{answer}"
        case WordProblemsTask():
            return f"#### {answer}"
        case Gsm8kTask(answer_marker=marker) | DatasetTask(answer_marker=str(marker)):
            return f"So it is.\n{marker} {answer}"
        case MathTask() | DatasetTask():
            return f"So it is $\\boxed{{{answer}}}$."
        case ReasoningGymTask() | CustomTask():
            return f"<answer>{answer}</answer>"


def wrong(config: TaskConfig, answer: str) -> str:
    """Another answer: one more, or, where answers are no plain numbers, with something added to it."""
    match config:
        case ArithmeticTask() | RegistersTask() | WordProblemsTask() | Gsm8kTask():
            return str(Decimal(answer) + 1)
        case _:
            return f"{answer} + 17"
