"""Does the judge accept the task's own gold answers, however they are written, and refuse all others?"""

from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.doctor.finding import Finding, Verdict
from vineppo.doctor.tricks import other_spellings, tricks
from vineppo.seams import Task
from vineppo.tasks.settings import TaskSettings
from vineppo.types import Question

QUESTIONS = 64
FEW_SPELLINGS = 0.95
"""Share of other spellings accepted below which the judge is found wanting."""
SHOWN = 3
FULL = 1.0
"""Reward of a right answer."""


def check_judge(settings: TaskSettings, task: Task) -> Finding:
    """Gold answers, the same answers spoilt, and no answer at all, on the first test questions."""
    if why := settings.unjudged:
        return Finding(check="judge", verdict=Verdict.NOT_RUN, found=why)
    questions = task.questions("test")[:QUESTIONS]
    gold = accepted(task, questions, [settings.response(q.answer) for q in questions])
    spoilt = accepted(task, questions, [settings.response(settings.another(q.answer)) for q in questions])
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
    remedy = "see what the task reads as the answer (docs/judge.md, vineppo judge): task.answer_marker, the gold column"
    if problems:
        return Finding(check="judge", verdict=Verdict.FAIL, found="; ".join(problems), remedy=remedy)
    found = f"{len(questions)} gold answers accepted; the same spoilt, and empty responses, refused"
    if not settings.reads_mathematics:
        return Finding(check="judge", verdict=Verdict.OK, found=found)
    tried = try_shapes(settings, task, questions)
    verdict = Verdict.FAIL if tried.paid else Verdict.WARN if tried.wanting else Verdict.OK
    remedy = remedy if verdict is not Verdict.OK else ""
    return Finding(check="judge", verdict=verdict, found=f"{found}; {tried.found}", remedy=remedy)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """What came of other spellings, of other questions' gold answers, and of shapes that game a judge."""

    found: str
    wanting: bool
    """Whether too many other spellings were refused."""
    paid: bool
    """Whether any shape that games a judge got through."""


def try_shapes(settings: TaskSettings, task: Task, questions: Sequence[Question]) -> Tried:
    """Count how many get through. Gold answers of other questions may mean the same, so they are counted only."""
    spelled = [(question, spelling) for question in questions for spelling in other_spellings(question.answer)]
    gamed = [(question, trick) for question in questions for trick in tricks(question.answer)]
    pairs = zip(questions, [*questions[1:], *questions[:1]], strict=True)
    others = [(question, other) for question, other in pairs if question.answer != other.answer]
    swapped = accepted(task, [own for own, _ in others], [settings.response(other.answer) for _, other in others])
    refused, paid = split_names(settings, task, spelled)[1], split_names(settings, task, gamed)[0]
    parts = (
        f"{len(spelled) - len(refused)} of {len(spelled)} other spellings accepted{named(refused)}",
        f"{len(swapped)} of {len(others)} gold answers of other questions accepted",
        f"{len(paid)} of {len(gamed)} shapes that game a judge accepted{named(paid)}",
    )
    return Tried(found="; ".join(parts), wanting=len(refused) > (1 - FEW_SPELLINGS) * len(spelled), paid=bool(paid))


def split_names(
    settings: TaskSettings, task: Task, tried: Sequence[tuple[Question, tuple[str, str]]]
) -> tuple[list[str], list[str]]:
    """What was accepted and what was refused, each with its question and answer."""
    judged = task.judge([question for question, _ in tried], [settings.response(text) for _, (_, text) in tried])
    names = [f"{name} of question {question.id} ({text!r})" for question, (name, text) in tried]
    full = [judgement.reward >= FULL for judgement in judged]
    return (
        [name for name, right in zip(names, full, strict=True) if right],
        [name for name, right in zip(names, full, strict=True) if not right],
    )


def named(names: Sequence[str]) -> str:
    """The first of them, in brackets; nothing where there are none."""
    more = ", ..." if len(names) > SHOWN else ""
    return f" ({', '.join(names[:SHOWN])}{more})" if names else ""


def accepted(task: Task, questions: Sequence[Question], responses: Sequence[str]) -> list[Question]:
    """Those whose response earned the full reward."""
    judged = zip(questions, task.judge(questions, responses), strict=True)
    return [question for question, judgement in judged if judgement.reward >= FULL]
