"""The questions and who judges them: what is asked of every task's settings. Torch-free."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from vineppo.errors import UserError
from vineppo.seams import Task
from vineppo.settings.shapes import Shape, even_shape
from vineppo.settings.strict import Variant
from vineppo.types import Judgement, Prompt, Question

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Verdicts = Callable[[Sequence[Question], Sequence[str]], list[Judgement]]
"""One judgement a response."""

TruncatedSetting = Annotated[float, Field(allow_inf_nan=False)] | Literal["judged", "left_out"] | None

Demonstration = tuple[Prompt, str]
Worked = tuple[Prompt, str]
"""Prompt and response."""

STEPS, PROMPT_TOKENS = 8, 1024
"""Assumed of a task of which nothing is known."""


class TaskSettings(Variant):
    """What every task has, and is asked. One of yours says its `name` and `build`, and of the rest what differs.

    The questions have defaults for tasks of which nothing more is known than that they ask and judge.
    """

    truncated: TruncatedSetting = None
    """Responses cut off by the length limit: judged, a reward (number), or left_out of loss and baseline; none: judged
    where reward functions judge, else 0."""

    reads_mathematics: ClassVar[bool] = False
    """Whether the mathematics judge reads its answers; others are single numbers, or scored."""
    usual_test_size: ClassVar[int | None] = None
    """Questions of a well-known test split, as long as they were not counted."""

    def build(self) -> Task:
        """The task."""
        raise NotImplementedError(f"{type(self).__name__}.build")

    @property
    def rewarded(self) -> bool:
        """Whether reward functions judge."""
        return False

    @property
    def code_files(self) -> tuple[str, ...]:
        """Files of yours that decide rewards: a resumed run must find them as they were."""
        return ()

    # --- what it is assumed to be like, for estimates ---

    def shape(self, limit: int, joins: Callable[[str], bool]) -> Shape:
        """Of a response, within the limit. joins: whether a line that begins so belongs to the step before it."""
        return even_shape(max(limit // 2, 1), STEPS)

    @property
    def shape_reason(self) -> str:
        """Why it should look so."""
        return "half of sampling.max_new_tokens, its steps evenly long; a guess"

    @property
    def made(self) -> tuple[int, int] | None:
        """Training and test questions, where the task makes as many as its settings say; None: it loads them."""
        return None

    def sizes(self) -> tuple[int, int] | None:
        """How many training and test questions there are, as far as that is known without fetching anything. Raises
        UserError where they cannot be read."""
        return self.made

    @property
    def longest_prompt(self) -> int:
        """Tokens, on the safe side for what ships."""
        return PROMPT_TOKENS

    # --- for `vineppo sft` ---

    def worked(self) -> tuple[list[Worked], list[Worked]] | None:
        """All there are to learn from, and held-out ones: a data set's. None: see `demonstrations`."""
        return None

    def demonstrations(self, rng: random.Random) -> Iterator[Demonstration]:
        """Worked solutions of training questions, without end."""
        raise UserError(
            f"task {self.called} has no demonstrations; take task arithmetic, registers, word_problems, gsm8k or math"
        )

    def tokenizer(self) -> "PreTrainedTokenizerFast":
        """Its own, for a policy that starts from nothing."""
        raise UserError(
            "policy is none, but only tasks arithmetic, registers and word_problems bring a tokenizer to start from "
            f"nothing; task is {self.called}: set policy.path to a Hugging Face folder"
        )

    # --- for questions from outside ---

    def verdicts(self) -> Verdicts:
        """What judges them."""
        raise UserError(
            f"task {self.called} judges only questions of its own; set task to arithmetic, gsm8k, math or dataset"
        )

    def ask(self, question: str, *, where: str) -> Prompt:
        """One of them, as the task puts it to the policy. `where` opens complaints."""
        raise UserError(
            f"{where}: task {self.called} judges only questions of its own; set task=gsm8k, task=math or task=dataset"
        )

    def read_answer(self, value: object) -> str | None:
        """A gold answer in the form the judge compares with: a number or short text as it is; of a worked solution the
        task's own kind of answer. None where there is none to be read."""
        from vineppo.tasks.gold import read_gold

        return read_gold(value, None)

    @property
    def answer_remedy(self) -> str:
        """What would be read."""
        return r"give a number, a short text, or a solution with \boxed{}"

    # --- for trying its judge ---

    @property
    def unjudged(self) -> str:
        """Why its judge cannot be tried with answers of ours; empty where it can."""
        return "the task does not say how an answer is written (TaskSettings.response)"

    def response(self, answer: str) -> str:
        """One that ends with this answer in the form that the task reads."""
        return f"<answer>{answer}</answer>"

    def another(self, answer: str) -> str:
        """A wrong answer, made from a right one."""
        return f"{answer} + 17"
