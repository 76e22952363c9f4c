"""GSM8K (Cobbe et al., arXiv 2110.14168), and any dataset of its form: a worked solution, the answer last.

    Natalia sold 48/2 = <<48/2=24>>24 clips in May.
    Natalia sold 48+24 = <<48+24=72>>72 clips altogether in April and May.
    #### 72

The judge reads the number after the last `####` (or another marker) of a response and compares it exactly.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar, Literal

from pydantic import Field

from vineppo.errors import UserError
from vineppo.seams import Split
from vineppo.settings.shapes import ANSWER
from vineppo.tasks.rows import Row, one_line, read_splits, text_column
from vineppo.tasks.settings import Demonstration, Verdicts
from vineppo.tasks.templated import WorkedTask
from vineppo.tasks.templates import QUESTION, Wording
from vineppo.types import Judgement, Outcome, Question

NUMBER = re.compile(r"-?[0-9]*\.?[0-9]+")
CALCULATOR = re.compile(r"<<[^<>]*>>")
CLEANED = str.maketrans({"$": "", ",": "", "\N{MINUS SIGN}": "-"})


class Gsm8kTask(WorkedTask):
    """Grade-school mathematics: the answer follows `####`."""

    name: Literal["gsm8k"] = "gsm8k"
    path: str = "openai/gsm8k"
    """A Hub dataset name, or a local folder with train.jsonl and test.jsonl (columns question, answer)."""
    subset: str | None = "main"
    """The Hub dataset's configuration; in a folder, the folder of that name where there is one."""
    answer_marker: str = Field(default=ANSWER, min_length=1)
    """What stands before the answer, in gold solutions and responses."""

    solution: ClassVar[tuple[int, int]] = (150, 4)
    usual_test_size: ClassVar[int | None] = 1319

    def build(self) -> "Gsm8k":
        """From its two splits, or from one of which some is held out."""
        rows = None
        if self.held_out is not None:
            rows = read_splits(self.path, subset=self.subset, held_out=self.held_out, seed=self.seed)
        return Gsm8k(self.path, self.subset, self.wording, self.answer_marker, rows=rows)

    @property
    def chat_template(self) -> str:
        """Asks for what the judge reads."""
        return (
            f"{QUESTION}\n\nReason step by step, each step on a line of its own. End with a line that holds "
            f"{self.answer_marker} and the final number."
        )

    @property
    def places(self) -> dict[str, str]:
        """One."""
        return {"path": self.path}

    @property
    def longest_prompt(self) -> int:
        """Of GSM8K."""
        return 400

    def verdicts(self) -> Verdicts:
        """As its own."""
        return lambda questions, responses: [
            judge_one(q.answer, r, self.answer_marker) for q, r in zip(questions, responses, strict=True)
        ]

    def read_answer(self, value: object) -> str | None:
        """The number after the marker, or the number."""
        return read_marked(value, self.answer_marker)

    @property
    def answer_remedy(self) -> str:
        """What would be read."""
        return f"give a number, or a solution that ends in '{self.answer_marker} 72' (task.answer_marker)"

    def response(self, answer: str) -> str:
        """After the marker."""
        return f"So it is.\n{self.answer_marker} {answer}"

    def another(self, answer: str) -> str:
        """One more."""
        return str(Decimal(answer) + 1)


class Gsm8k:
    """The task. Columns `question` and `answer`; both splits are read and checked at once.

    `answer_marker` stands before the answer, in the gold solutions as in the responses.
    """

    def __init__(
        self,
        path: str,
        subset: str | None,
        wording: Wording,
        answer_marker: str = ANSWER,
        *,
        rows: tuple[list[Row], list[Row]] | None = None,
    ):
        """rows: of train and test, where they were read already."""
        self._marker = answer_marker
        self._questions: dict[Split, list[Question]] = {}
        self._solutions: dict[Split, list[str]] = {}
        splits: tuple[Split, ...] = ("train", "test")
        train, test = read_splits(path, subset=subset) if rows is None else rows
        for split, own in zip(splits, (train, test), strict=True):
            where = f"task.path {path!r}, split {split!r}"
            prompts = wording(text_column(own, "question", where))
            solutions = text_column(own, "answer", where)
            answers = gold_answers(solutions, where, answer_marker)
            self._solutions[split] = solutions
            self._questions[split] = [
                Question(id=f"{split}-{i}", prompt=prompt, answer=answer)
                for i, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
            ]

    def questions(self, split: Split) -> Sequence[Question]:
        """In the order of the dataset."""
        return self._questions[split]

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """1 for the right number after the last marker."""
        return [judge_one(q.answer, r, self._marker) for q, r in zip(questions, responses, strict=True)]

    def demonstrations(self, split: Split) -> list[Demonstration]:
        """Pairs of prompt and response for supervised finetuning: a line break, then the gold solution.

        The `<<48/2=24>>` annotations are taken out: they are for a calculator that nobody runs here. What the
        paper's SFT data did with them is not known to us.
        """
        pairs = zip(self._questions[split], self._solutions[split], strict=True)
        return [(question.prompt, "\n" + CALCULATOR.sub("", solution)) for question, solution in pairs]


def gold_answers(solutions: Sequence[str], where: str, marker: str = ANSWER) -> list[str]:
    """The number that ends each gold solution."""
    answers = []
    for number, solution in enumerate(solutions, 1):
        answer = read_answer(solution, marker)
        if answer is None:
            raise UserError(
                f"{where}: column 'answer' of row {number} has no single number after {marker}: "
                f"{one_line(repr(solution[-60:]))}; end it with a line such as '{marker} 72', or set task.answer_marker"
            )
        answers.append(answer)
    return answers


def read_answer(response: str, marker: str = ANSWER) -> str | None:
    """The number after the last marker, on its line; None where there is none, or more than one.

    `$`, thousands commas, units and a full stop are passed over. Two numbers (`5/2`, `10-12`, `3 or 4`) are no answer:
    taking either would reward hedging.
    """
    _, found, after = response.rpartition(marker)
    line = after.strip().partition("\n")[0]
    numbers = NUMBER.findall(line.translate(CLEANED))
    return numbers[0] if found and len(numbers) == 1 else None


def read_marked(value: object, marker: str) -> str | None:
    """A number as it is; of a worked solution the one after the marker."""
    text = str(value)
    return read_answer(text if marker in text else f"{marker}{text}", marker)


def judge_one(answer: str, response: str, marker: str = ANSWER) -> Judgement:
    """Compare as decimals: exact, and unlike `int` without a limit on the number of digits."""
    found = read_answer(response, marker)
    if found is None:
        return Judgement(reward=0.0, outcome=Outcome.UNPARSEABLE)
    right = Decimal(found) == Decimal(answer)
    return Judgement(reward=float(right), outcome=Outcome.CORRECT if right else Outcome.WRONG)
