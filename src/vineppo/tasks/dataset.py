"""Any dataset: a column of prompts, and a column of answers or reward functions of one's own."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from vineppo.errors import UserError
from vineppo.seams import Split
from vineppo.settings.strict import Strict
from vineppo.tasks.prompts import read_prompts
from vineppo.tasks.reasoning_gym import JudgeConfig
from vineppo.tasks.rows import Row, read_splits, require_columns
from vineppo.tasks.settings import Verdicts, Worked
from vineppo.tasks.templated import TemplatedTask
from vineppo.tasks.templates import Wording
from vineppo.tasks.words import boxed
from vineppo.types import Judgement, Question

Rows = Sequence[Mapping[str, object]]


class RewardConfig(Strict):
    """One reward function."""

    function: str
    """FILE.py:NAME; called as `NAME(prompts=..., completions=..., **columns)`, as TRL does."""
    weight: float = Field(default=1.0, allow_inf_nan=False)


class DatasetTask(TemplatedTask):
    """Any dataset: prompts, and gold answers or reward functions."""

    name: Literal["dataset", "jsonl"] = "dataset"
    """Two names for one task."""
    path: str = "."
    """A Hub dataset name, or a local folder or file (docs/tasks.md: jsonl, csv, parquet, shards, save_to_disk ...)."""
    train_file: str | None = None
    """The train split's file in a local folder; none: one named train."""
    test_file: str | None = None
    """The test split's file in a local folder; none: one named test."""
    train_split: str = "train"
    """Which rows, on the Hub and in a folder, e.g. train[:-500]; of task.train_file, where it is given, the range."""
    test_split: str = "test"
    """Which rows, e.g. validation, or train[-500:]."""
    prompt_column: str = "prompt"
    """Text, or chat messages, which the policy's chat template turns into text."""
    answer_column: str | None = None
    """Gold answers; none: the first there is of answer, solution, ground_truth."""
    response_column: str | None = None
    """For `vineppo sft` only: worked responses; none: the first there is of response, completion, or else the
    assistant's message that ends each prompt of messages."""
    answer_marker: str | None = None
    """What stands before the answer in a response; none: it stands in the last `\\boxed{}`."""
    chat: bool | None = False
    """Prompts of text are posed by the policy's own chat template, too. null: where it has one and `template` is null.
    Reward functions get prompt and response as text all the same."""
    rewards: list[RewardConfig] = Field(default=[])
    """Reward functions, e.g. [{function: rewards.py:is_short, weight: 0.5}]; they take the judge's place."""
    judge: JudgeConfig = JudgeConfig()
    """Not used: mathematics is judged without child processes. It is read so that runs of earlier versions can be."""

    reads_mathematics: ClassVar[bool] = True

    def read(self) -> tuple[list[Row], list[Row]]:
        """Its train rows and its test rows."""
        if self.held_out is not None and (self.test_file or self.test_split != "test"):
            raise UserError(
                f"task.held_out is {self.held_out}, but task.test_split or task.test_file names test questions; leave "
                "one of them out"
            )
        return read_splits(
            self.path,
            subset=self.subset,
            files=(self.train_file, self.test_file),
            splits=(self.train_split, self.test_split),
            held_out=self.held_out,
            seed=self.seed,
        )

    def build(self) -> "Dataset":
        """Rows, and what judges them."""
        train, test = self.read()
        return Dataset(
            train=train,
            test=test,
            prompt_column=self.prompt_column,
            answer_column=self.answer_column,
            answer_marker=self.answer_marker,
            wording=self.wording,
            rewarded=self.rewarded,
            verdicts=self.verdicts(),
        )

    @property
    def places(self) -> dict[str, str]:
        """One."""
        return {"path": self.path}

    @property
    def text_template(self) -> str:
        """Prompts as they are."""
        return "plain"

    def worked(self) -> tuple[list[Worked], list[Worked]]:
        """Its rows: prompts are the task's own, held-out ones those of the test split."""
        from vineppo.tasks.worked_rows import worked_rows

        columns, (train, test) = (self.prompt_column, self.response_column), self.read()
        return (
            worked_rows(train, *columns, self.wording, where="task.path, split 'train'"),
            worked_rows(test, *columns, self.wording, where="task.path, split 'test'"),
        )

    @property
    def rewarded(self) -> bool:
        """Where functions are named."""
        return bool(self.rewards)

    @property
    def code_files(self) -> tuple[str, ...]:
        """Those that hold the functions."""
        return tuple(sorted({reward.function.rpartition(":")[0] for reward in self.rewards}))

    def verdicts(self) -> Verdicts:
        """Reward functions where there are any, else the mathematics judge."""
        from vineppo.tasks.judge.responses import answer_verdicts
        from vineppo.tasks.reward import WeightedRewards
        from vineppo.tasks.reward_file import load_reward

        if not self.rewards:
            return answer_verdicts(self.answer_marker)
        return WeightedRewards([(load_reward(reward.function), reward.weight) for reward in self.rewards])

    def read_answer(self, value: object) -> str | None:
        """As in its own rows."""
        from vineppo.tasks.gold import read_gold

        return read_gold(value, self.answer_marker)

    @property
    def unjudged(self) -> str:
        """It can be tried, but with functions."""
        return "reward functions judge, and nothing says what they should answer" if self.rewards else ""

    def response(self, answer: str) -> str:
        """After the marker, or in a box."""
        return boxed(answer) if self.answer_marker is None else f"So it is.\n{self.answer_marker} {answer}"


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
        wording: Wording,
        rewarded: bool,
        verdicts: Verdicts,
    ):
        # Late: settings lie here, too, and must be quick to import.
        from vineppo.tasks.gold import COLUMNS, find_answer_column, read_golds
        from vineppo.tasks.reward import passed_columns

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
            prompts = read_prompts(rows, prompt_column, where, wording)
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
