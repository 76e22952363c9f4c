"""Any dataset: a column of prompts, and a column of answers or reward functions of one's own."""

from collections.abc import Mapping, Sequence

from vineppo.errors import UserError
from vineppo.seams import Split
from vineppo.tasks.gold import COLUMNS, find_answer_column, read_golds
from vineppo.tasks.judge.responses import Verdicts
from vineppo.tasks.prompts import read_prompts
from vineppo.tasks.reward import passed_columns
from vineppo.tasks.rows import require_columns
from vineppo.types import Judgement, Question

Rows = Sequence[Mapping[str, object]]


class Dataset:
    """The task. The first train row says which columns there are.

    `rewarded`: reward functions judge, so gold answers may be missing, and every column is handed to the functions.
    """

    def __init__(
        self,
        *,
        train: Rows,
        test: Rows,
        prompt_column: str,
        answer_column: str | None,
        answer_marker: str | None,
        template: str,
        rewarded: bool,
        verdicts: Verdicts,
    ):
        splits: dict[Split, Rows] = {"train": train, "test": test}
        passed = passed_columns(train[0], prompt_column) if rewarded else []
        golds = None if rewarded else answer_column or find_answer_column(train[0])
        if not rewarded and golds is None:
            raise UserError(
                f"task.path, split 'train': row 1 has none of the columns {', '.join(COLUMNS)}, only "
                f"{', '.join(map(repr, train[0]))}; name the gold answers in task.answer_column, or give task.rewards"
            )
        self._questions: dict[Split, list[Question]] = {}
        for split, rows in splits.items():
            where = f"task.path, split {split!r}"
            prompts = read_prompts(rows, prompt_column, where, template)
            answers = [""] * len(rows) if golds is None else read_golds(rows, golds, where, answer_marker)
            require_columns(rows, passed, where)
            self._questions[split] = [
                Question(
                    id=f"{split}-{i}", prompt=prompt, answer=answer, columns={column: row[column] for column in passed}
                )
                for i, (prompt, answer, row) in enumerate(zip(prompts, answers, rows, strict=True))
            ]
        self._verdicts, self.rewarded = verdicts, rewarded

    def questions(self, split: Split) -> Sequence[Question]:
        """In the order of the dataset."""
        return self._questions[split]

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """By the mathematics judge, or by the reward functions."""
        return self._verdicts(questions, responses)
