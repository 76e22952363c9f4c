"""Questions from outside a task's dataset, asked and judged as the task asks and judges its own."""

import re
from collections.abc import Mapping, Sequence

from vineppo.config.schema import ArithmeticTask, DatasetTask, Gsm8kTask, MathTask, TaskConfig, WordProblemsTask
from vineppo.errors import UserError
from vineppo.seams import Split
from vineppo.tasks import gsm8k
from vineppo.tasks.gold import MARKER, read_gold
from vineppo.tasks.judge.responses import Verdicts
from vineppo.tasks.prompts import read_prompt, with_extras
from vineppo.tasks.rows import one_line
from vineppo.tasks.templates import fill
from vineppo.types import Judgement, Prompt, Question

PROMPT = "prompt"
QUESTIONS = ("question", "problem")
"""Columns that the task's template makes a prompt of, where there is no column `prompt`."""
GOLDS = ("answer", "ground_truth", "solution")
"""Columns of the gold answer, in the order they are looked for."""

CHAIN = re.compile(r"\d+([+\-*]\d)+")


class Asked:
    """A task of nothing but given questions; they are its test split. rewarded: reward functions judge."""

    def __init__(self, questions: Sequence[Question], verdicts: Verdicts, *, rewarded: bool = False):
        self._questions, self._verdicts, self.rewarded = tuple(questions), verdicts, rewarded

    def questions(self, split: Split) -> Sequence[Question]:
        """In the order given."""
        return self._questions if split == "test" else ()

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """As the task whose verdicts these are."""
        return self._verdicts(questions, responses)


def make_question(task: TaskConfig, row: Mapping[str, object], *, id: str) -> Question:
    """A row with a prompt or a question, and a gold answer where the task's judge needs one. `id` opens complaints."""
    rewarded = isinstance(task, DatasetTask) and bool(task.rewards)
    known = (PROMPT, *QUESTIONS)
    return Question(
        id=id,
        prompt=make_prompt(task, row, where=id),
        answer="" if rewarded else find_gold(task, row, where=id),
        columns={key: value for key, value in row.items() if key not in known} if rewarded else {},
    )


def make_prompt(task: TaskConfig, row: Mapping[str, object], *, where: str) -> Prompt:
    """The row's prompt as it is, or the task's for its question."""
    if PROMPT in row:
        return with_extras(read_prompt(row[PROMPT], f"{where}: column {PROMPT!r}", "plain"), row, where, 1)
    for column in QUESTIONS:
        if isinstance(text := row.get(column), str):
            return ask(task, text, where=where)
    raise UserError(
        f"{where} has none of the columns {', '.join((PROMPT, *QUESTIONS))} as text, only "
        f"{', '.join(map(repr, row)) or 'none'}; add one"
    )


def ask(task: TaskConfig, question: str, *, where: str) -> Prompt:
    """A question as the task puts it to the policy."""
    match task:
        case ArithmeticTask():
            chain = question.strip().removesuffix("?").removesuffix("=")
            if not CHAIN.fullmatch(chain):
                raise UserError(
                    f"{where}: {one_line(repr(question), 60)} is no chain such as '12*7+5', which task arithmetic asks "
                    "for; set task=gsm8k (answers after ####), task=math (in a box) or task=dataset"
                )
            return f"{chain}=?\n"
        case WordProblemsTask():
            return f"{question.strip()}\n"
        case Gsm8kTask() | MathTask() | DatasetTask():
            return fill(task.template, [question])[0]
        case _:
            raise UserError(
                f"{where}: task {task.name} judges only questions of its own; set task=gsm8k, task=math or task=dataset"
            )


def find_gold(task: TaskConfig, row: Mapping[str, object], *, where: str) -> str:
    """The gold answer in the form the task's judge compares with."""
    column = next((column for column in GOLDS if column in row), None)
    if column is None:
        raise UserError(
            f"{where} has no gold answer, without which no response can be judged; give --answer, or a column "
            f"{' or '.join(GOLDS)}"
        )
    gold = read_answer(task, row[column])
    if gold is None:
        raise UserError(
            f"{where}: no gold answer can be read from {column} {one_line(repr(row[column])[-80:])}; {remedy(task)}"
        )
    return gold


def read_answer(task: TaskConfig, value: object) -> str | None:
    """A number or short text as it is; of a worked solution the task's own kind of answer."""
    match task:
        case ArithmeticTask() | WordProblemsTask() | Gsm8kTask():
            marker = task.answer_marker if isinstance(task, Gsm8kTask) else MARKER
            text = str(value)
            return gsm8k.read_answer(text if marker in text else f"{marker}{text}", marker)
        case DatasetTask():
            return read_gold(value, task.answer_marker)
        case _:
            return read_gold(value, None)


def remedy(task: TaskConfig) -> str:
    """What would be read."""
    match task:
        case Gsm8kTask(answer_marker=marker):
            return f"give a number, or a solution that ends in '{marker} 72' (task.answer_marker)"
        case ArithmeticTask() | WordProblemsTask():
            return "give a number"
        case _:
            return r"give a number, a short text, or a solution with \boxed{}"
