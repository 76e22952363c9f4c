r"""MATH (Hendrycks et al., arXiv 2103.03874), and any dataset of its form: the answer stands in the last box.

problem   What is $1 + 1$?
solution  We add: $1 + 1 = \boxed{2}$.
answer    2                            (optional; MATH-500 has it)
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from vineppo.errors import UserError
from vineppo.seams import Split
from vineppo.tasks.reasoning_gym import JudgeConfig
from vineppo.tasks.rows import read_rows, read_splits, text_column
from vineppo.tasks.settings import Demonstration, Verdicts
from vineppo.tasks.templated import WorkedTask
from vineppo.tasks.templates import Wording
from vineppo.tasks.words import boxed
from vineppo.types import Judgement, Question

Rows = Sequence[Mapping[str, object]]


class MathTask(WorkedTask):
    """Competition mathematics: the answer stands in the last `\\boxed{}`."""

    name: Literal["math"] = "math"
    path: str = "DigitalLearningGmbH/MATH-lighteval"
    """A Hub dataset name, or a local folder (columns problem, solution, and answer where there is one)."""
    test_path: str | None = None
    """The same for the test split, e.g. HuggingFaceH4/MATH-500; none: `path`."""
    train_file: str | None = None
    """The train split's file in a local folder; none: one named train."""
    test_file: str | None = None
    """The test split's file in a local folder; none: one named test."""
    judge: JudgeConfig = JudgeConfig()
    """Not used: mathematics is judged without child processes. It is read so that runs of earlier versions can be."""

    reads_mathematics: ClassVar[bool] = True

    solution: ClassVar[tuple[int, int]] = (250, 8)
    usual_test_size: ClassVar[int | None] = 5000

    def build(self) -> "Math":
        """Both splits from one place, or from two."""
        if self.test_path is not None and self.held_out is not None:
            raise UserError(
                f"task.held_out is {self.held_out}, but task.test_path {self.test_path!r} brings test questions; set "
                "one of them to null"
            )
        if self.test_path is None:
            files = (self.train_file, self.test_file)
            train, test = read_splits(
                self.path, subset=self.subset, files=files, held_out=self.held_out, seed=self.seed
            )
        else:
            train = read_rows(self.path, "train", subset=self.subset, file=self.train_file)
            test = read_rows(self.test_path, "test", subset=self.subset, file=self.test_file)
        return Math(train=train, test=test, wording=self.wording, verdicts=self.verdicts())

    @property
    def places(self) -> dict[str, str]:
        """One, or two."""
        return {"path": self.path, **({} if self.test_path is None else {"test_path": self.test_path})}

    @property
    def chat_template(self) -> str:
        """Asks for what the judge reads."""
        return "boxed"

    def verdicts(self) -> Verdicts:
        """The mathematics judge, on the last box."""
        from vineppo.tasks.judge.responses import (
            answer_verdicts,
        )  # late: settings lie here, too, and must be quick to import

        return answer_verdicts(None)

    def response(self, answer: str) -> str:
        """In a box."""
        return boxed(answer)


class Math:
    """The task. Columns `problem` and `solution` or `answer`; both splits are checked at once."""

    def __init__(self, *, train: Rows, test: Rows, wording: Wording, verdicts: Verdicts):
        splits: dict[Split, Rows] = {"train": train, "test": test}
        self._rows = splits
        self._questions = {split: make_questions(rows, split, wording) for split, rows in splits.items()}
        self._verdicts = verdicts

    def questions(self, split: Split) -> Sequence[Question]:
        """In the order of the dataset."""
        return self._questions[split]

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """1 for the right answer in the last box."""
        return self._verdicts(questions, responses)

    def demonstrations(self, split: Split) -> list[Demonstration]:
        """Pairs of prompt and response for supervised finetuning: a line break, then the gold solution."""
        solutions = text_column(self._rows[split], "solution", f"task.path, split {split!r}")
        return [
            (question.prompt, "\n" + solution)
            for question, solution in zip(self._questions[split], solutions, strict=True)
        ]


def make_questions(rows: Rows, split: Split, wording: Wording) -> list[Question]:
    """One question a row."""
    from vineppo.tasks.gold import read_golds  # late: settings lie here, too, and must be quick to import

    where = f"task.path, split {split!r}"
    prompts = wording(text_column(rows, "problem", where))
    column = "answer" if "answer" in rows[0] else "solution"
    if column not in rows[0]:
        raise UserError(f"{where}: row 1 has no column 'solution' and no 'answer', only {list(rows[0])}; add one")
    return [
        Question(id=f"{split}-{i}", prompt=prompt, answer=gold)
        for i, (prompt, gold) in enumerate(zip(prompts, read_golds(rows, column, where, None), strict=True))
    ]
