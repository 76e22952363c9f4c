"""Questions from outside a task's dataset, asked and judged as the task asks and judges its own."""

from collections.abc import Mapping, Sequence

from vineppo.errors import UserError
from vineppo.seams import Split
from vineppo.tasks.prompts import read_prompt, with_extras
from vineppo.tasks.rows import one_line
from vineppo.tasks.settings import TaskSettings, Verdicts
from vineppo.tasks.templates import PLAIN
from vineppo.types import Judgement, Prompt, Question

PROMPT = "prompt"
QUESTIONS = ("question", "problem")
"""Columns that the task's template makes a prompt of, where there is no column `prompt`."""
GOLDS = ("answer", "ground_truth", "solution")
"""Columns of the gold answer, in the order they are looked for."""


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


def make_question(task: TaskSettings, row: Mapping[str, object], *, id: str) -> Question:
    """A row with a prompt or a question, and a gold answer where the task's judge needs one. `id` opens complaints."""
    known = (PROMPT, *QUESTIONS)
    return Question(
        id=id,
        prompt=make_prompt(task, row, where=id),
        answer="" if task.rewarded else find_gold(task, row, where=id),
        columns={key: value for key, value in row.items() if key not in known} if task.rewarded else {},
    )


def make_prompt(task: TaskSettings, row: Mapping[str, object], *, where: str) -> Prompt:
    """The row's prompt as it is, or the task's for its question."""
    if PROMPT in row:
        return with_extras(read_prompt(row[PROMPT], f"{where}: column {PROMPT!r}", PLAIN), row, where, 1)
    for column in QUESTIONS:
        if isinstance(text := row.get(column), str):
            return task.ask(text, where=where)
    raise UserError(
        f"{where} has none of the columns {', '.join((PROMPT, *QUESTIONS))} as text, only "
        f"{', '.join(map(repr, row)) or 'none'}; add one"
    )


def find_gold(task: TaskSettings, row: Mapping[str, object], *, where: str) -> str:
    """The gold answer in the form the task's judge compares with."""
    column = next((column for column in GOLDS if column in row), None)
    if column is None:
        raise UserError(
            f"{where} has no gold answer, without which no response can be judged; give --answer, or a column "
            f"{' or '.join(GOLDS)}"
        )
    gold = task.read_answer(row[column])
    if gold is None:
        raise UserError(
            f"{where}: no gold answer can be read from {column} {one_line(repr(row[column])[-80:])}; "
            f"{task.answer_remedy}"
        )
    return gold
