r"""MATH (Hendrycks et al., arXiv 2103.03874), and any dataset of its form: the answer stands in the last box.

problem   What is $1 + 1$?
solution  We add: $1 + 1 = \boxed{2}$.
answer    2                            (optional; MATH-500 has it)
"""

from collections.abc import Mapping, Sequence

from vineppo.errors import UserError
from vineppo.seams import Split
from vineppo.tasks.gold import read_golds
from vineppo.tasks.judge.responses import Verdicts
from vineppo.tasks.rows import text_column
from vineppo.tasks.templates import fill
from vineppo.types import Judgement, Question, prompt_text

Rows = Sequence[Mapping[str, object]]


class Math:
    """The task. Columns `problem` and `solution` or `answer`; both splits are checked at once."""

    def __init__(self, *, train: Rows, test: Rows, template: str, verdicts: Verdicts):
        splits: dict[Split, Rows] = {"train": train, "test": test}
        self._rows = splits
        self._questions = {split: make_questions(rows, split, template) for split, rows in splits.items()}
        self._verdicts = verdicts

    def questions(self, split: Split) -> Sequence[Question]:
        """In the order of the dataset."""
        return self._questions[split]

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """1 for the right answer in the last box."""
        return self._verdicts(questions, responses)

    def demonstrations(self, split: Split) -> list[tuple[str, str]]:
        """Pairs of prompt and response for supervised finetuning: a line break, then the gold solution."""
        solutions = text_column(self._rows[split], "solution", f"task.path, split {split!r}")
        return [
            (prompt_text(question.prompt), "\n" + solution)
            for question, solution in zip(self._questions[split], solutions, strict=True)
        ]


def make_questions(rows: Rows, split: Split, template: str) -> list[Question]:
    """One question a row."""
    where = f"task.path, split {split!r}"
    prompts = fill(template, text_column(rows, "problem", where))
    column = "answer" if "answer" in rows[0] else "solution"
    if column not in rows[0]:
        raise UserError(f"{where}: row 1 has no column 'solution' and no 'answer', only {list(rows[0])}; add one")
    return [
        Question(id=f"{split}-{i}", prompt=prompt, answer=gold)
        for i, (prompt, gold) in enumerate(zip(prompts, read_golds(rows, column, where, None), strict=True))
    ]
