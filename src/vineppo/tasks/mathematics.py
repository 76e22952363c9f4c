r"""MATH (Hendrycks et al., arXiv 2103.03874), and any dataset of its form: the answer stands in the last box.

problem   What is $1 + 1$?
solution  We add: $1 + 1 = \boxed{2}$.
answer    2                            (optional; MATH-500 has it)
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from vineppo.errors import UserError
from vineppo.seams import Split
from vineppo.settings.shapes import TYPICAL, Shape, even_shape
from vineppo.tasks.demonstrations import drawn
from vineppo.tasks.reasoning_gym import JudgeConfig
from vineppo.tasks.rows import read_rows, read_splits, text_column
from vineppo.tasks.settings import Demonstration, TaskSettings, Verdicts
from vineppo.tasks.templates import TEMPLATES, ask_all, no_chat
from vineppo.tasks.words import boxed
from vineppo.types import Judgement, Prompt, Question, prompt_text

Rows = Sequence[Mapping[str, object]]


TOKENS, STEPS, TEST_QUESTIONS = 250, 8, 5000
"""Of a solution, and of the test split."""


class MathTask(TaskSettings):
    """Competition mathematics: the answer stands in the last `\\boxed{}`."""

    name: Literal["math"] = "math"
    path: str = "DigitalLearningGmbH/MATH-lighteval"
    """A Hub dataset name, or a local folder (columns problem, solution, and answer where there is one)."""
    test_path: str | None = None
    """The same for the test split, e.g. HuggingFaceH4/MATH-500; none: `path`."""
    subset: str | None = None
    """The Hub dataset's configuration; in a folder, the folder of that name where there is one."""
    train_file: str | None = None
    """The train split's file in a local folder; none: one named train."""
    test_file: str | None = None
    """The test split's file in a local folder; none: one named test."""
    template: str = TEMPLATES["paper"]
    """The prompt; `{question}` is replaced. Or a preset: paper, boxed, answer, plain."""
    chat: bool = False
    """Whether the question is what a user says, in the policy's own chat template; the paper's template then gives way
    to a sentence that asks for the form of an answer."""
    judge: JudgeConfig = JudgeConfig()
    """Not used: mathematics is judged without child processes. It is read so that runs of earlier versions can be."""
    held_out: int | None = Field(default=None, ge=1)
    """Where there is no test split: so many rows of the train split, drawn from `seed`, make one."""
    seed: int = 0
    """Draws them."""

    reads_mathematics: ClassVar[bool] = True

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
        return Math(train=train, test=test, template=self.template, verdicts=self.verdicts(), chat=self.said)

    def shape(self, limit: int, joins: Callable[[str], bool]) -> Shape:
        """A typical one."""
        return even_shape(TOKENS, STEPS)

    @property
    def shape_reason(self) -> str:
        """A guess from what is known."""
        return TYPICAL

    def test_size(self, asked: int | None) -> int:
        """MATH's own."""
        return TEST_QUESTIONS

    def demonstrations(self, rng: random.Random) -> Iterator[Demonstration]:
        """Its gold solutions."""
        no_chat(self.chat)
        return drawn(self.build().demonstrations("train"), rng)

    def verdicts(self) -> Verdicts:
        """The mathematics judge, on the last box."""
        from vineppo.tasks.judge.responses import (
            answer_verdicts,
        )  # late: settings lie here, too, and must be quick to import

        return answer_verdicts(None)

    def ask(self, question: str, *, where: str) -> Prompt:
        """In its template."""
        return ask_all(self.template, [question], chat=self.said)[0]

    @property
    def said(self) -> str | None:
        """What a user says, in a chat."""
        return TEMPLATES["boxed"] if self.chat else None

    @property
    def unjudged(self) -> str:
        """It can be tried."""
        return ""

    def response(self, answer: str) -> str:
        """In a box."""
        return boxed(answer)


class Math:
    """The task. Columns `problem` and `solution` or `answer`; both splits are checked at once."""

    def __init__(self, *, train: Rows, test: Rows, template: str, verdicts: Verdicts, chat: str | None = None):
        splits: dict[Split, Rows] = {"train": train, "test": test}
        self._rows = splits
        self._questions = {split: make_questions(rows, split, template, chat=chat) for split, rows in splits.items()}
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


def make_questions(rows: Rows, split: Split, template: str, *, chat: str | None = None) -> list[Question]:
    """One question a row."""
    from vineppo.tasks.gold import read_golds  # late: settings lie here, too, and must be quick to import

    where = f"task.path, split {split!r}"
    prompts = ask_all(template, text_column(rows, "problem", where), chat=chat)
    column = "answer" if "answer" in rows[0] else "solution"
    if column not in rows[0]:
        raise UserError(f"{where}: row 1 has no column 'solution' and no 'answer', only {list(rows[0])}; add one")
    return [
        Question(id=f"{split}-{i}", prompt=prompt, answer=gold)
        for i, (prompt, gold) in enumerate(zip(prompts, read_golds(rows, column, where, None), strict=True))
    ]
