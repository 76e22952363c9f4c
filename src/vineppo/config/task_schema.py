"""The task sections of the configuration. Torch-free."""

from typing import Annotated, Literal

from pydantic import Field

from vineppo.config.strict import Strict

PAPER_TEMPLATE = "[MATH_TASK] Problem:\n{question}\n\nSolution:"
"""VinePPO's prompt."""


TruncatedSetting = Annotated[float, Field(allow_inf_nan=False)] | Literal["judged", "left_out"] | None


class JudgeConfig(Strict):
    """Limits of the child processes in which Reasoning Gym's scorers run."""

    seconds: float = Field(default=3.0, gt=0)
    """Wall clock for one answer; one that takes longer has outcome timeout and reward 0."""
    memory_mib: int = Field(default=2048, ge=512)
    """Address space of one child process."""
    workers: int | None = Field(default=None, ge=1)
    """Child processes; none: one a core, at most 4."""


class ArithmeticTask(Strict):
    """Chains of modular arithmetic, solved one operation a line."""

    name: Literal["arithmetic"] = "arithmetic"
    operations: int = Field(default=8, ge=1, le=200)
    """Operations in a chain; each is one line of the solution."""
    fewest_operations: int | None = Field(default=None, ge=1)
    """Chains of mixed difficulty: as many operations as this up to `operations`, evenly spread; none: always
    `operations`."""
    modulus: int = Field(default=50, ge=10, le=1000)
    """Numbers live in 0 .. modulus - 1."""
    operators: str = Field(default="+-*", min_length=1, pattern=r"^[+\-*]+$")
    """Which operators occur."""
    train_questions: int = Field(default=4000, ge=1)
    """Distinct chains to train on."""
    test_questions: int = Field(default=400, ge=1)
    """Distinct chains to evaluate on, none of them among the training questions."""
    seed: int = 0
    """Generates the questions; train and test are disjoint."""
    habits: int = Field(default=10, ge=0)
    """Demonstrations only: how many (operator, operand) pairs carry a habitual error."""
    habit_probability: float = Field(default=0.6, ge=0, le=1)
    """Demonstrations only: how often a habit strikes where it applies."""
    truncated: TruncatedSetting = None
    """Responses cut off by the length limit: judged, a reward (number), or left_out of loss and baseline; none: judged
    where reward functions judge, else 0."""


class RegistersTask(Strict):
    """Small programs over a few registers, executed one instruction a line; many lines do not matter for the answer."""

    name: Literal["registers"] = "registers"
    instructions: int = Field(default=16, ge=1, le=200)
    """Instructions in a program; each is one line of the solution."""
    registers: int = Field(default=3, ge=1, le=6)
    """Registers; one of them is asked for in the end."""
    modulus: int = Field(default=50, ge=10, le=1000)
    """Numbers live in 0 .. modulus - 1."""
    operators: str = Field(default="+-*", min_length=1, pattern=r"^[+\-*]+$")
    """Which operators occur, besides setting a register to a number or to another register."""
    least_that_matter: int = Field(default=4, ge=0)
    """Programs have at least so many instructions that the answer depends on."""
    train_questions: int = Field(default=4000, ge=1)
    """Distinct programs to train on."""
    test_questions: int = Field(default=400, ge=1)
    """Distinct programs to evaluate on, none of them among the training questions."""
    seed: int = 0
    """Generates the questions; train and test are disjoint."""
    habits: int = Field(default=12, ge=0)
    """Demonstrations only: how many (operator, operand) pairs carry a habitual error."""
    habit_probability: float = Field(default=0.6, ge=0, le=1)
    """Demonstrations only: how often a habit strikes where it applies."""
    truncated: TruncatedSetting = None
    """Responses cut off by the length limit: judged, a reward (number), or left_out of loss and baseline; none: judged
    where reward functions judge, else 0."""


class WordProblemsTask(Strict):
    """Word problems in English about a few people and their things, solved one line a step; some lines do not matter
    for the answer."""

    name: Literal["word_problems"] = "word_problems"
    lines: int = Field(default=8, ge=1, le=12)
    """Lines of the longest solution; the conclusion and the answer follow them."""
    fewest_lines: int = Field(default=4, ge=1)
    """Lines of the shortest; stories are evenly spread between the two."""
    people: int = Field(default=3, ge=2, le=6)
    """People in a story."""
    least_that_matter: int = Field(default=3, ge=0)
    """Solutions have at least so many lines that the answer depends on."""
    train_questions: int = Field(default=4000, ge=1, le=100_000)
    """Distinct stories to train on."""
    test_questions: int = Field(default=400, ge=1, le=100_000)
    """Distinct stories to evaluate on, none of them among the training questions."""
    seed: int = 0
    """Generates the questions; train and test are disjoint."""
    habits: int = Field(default=40, ge=0)
    """Demonstrations only: how many (phrase, number) pairs are habitually misread; there are 47."""
    habit_probability: float = Field(default=0.6, ge=0, le=1)
    """Demonstrations only: how often such a pair is misread."""
    truncated: TruncatedSetting = None
    """Responses cut off by the length limit: judged, a reward (number), or left_out of loss and baseline; none: judged
    where reward functions judge, else 0."""


class Gsm8kTask(Strict):
    """Grade-school mathematics: the answer follows `####`."""

    name: Literal["gsm8k"] = "gsm8k"
    path: str = "openai/gsm8k"
    """A Hub dataset name, or a local folder with train.jsonl and test.jsonl (columns question, answer)."""
    subset: str | None = "main"
    """The Hub dataset's configuration; in a folder, the folder of that name where there is one."""
    template: str = PAPER_TEMPLATE
    """The prompt; `{question}` is replaced. Or a preset: paper, boxed, answer, plain."""
    answer_marker: str = Field(default="####", min_length=1)
    """What stands before the answer, in gold solutions and responses."""
    held_out: int | None = Field(default=None, ge=1)
    """Where there is no test split: so many rows of the train split, drawn from `seed`, make one."""
    seed: int = 0
    """Draws them."""
    truncated: TruncatedSetting = None
    """Responses cut off by the length limit: judged, a reward (number), or left_out of loss and baseline; none: judged
    where reward functions judge, else 0."""


class MathTask(Strict):
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
    template: str = PAPER_TEMPLATE
    """The prompt; `{question}` is replaced. Or a preset: paper, boxed, answer, plain."""
    judge: JudgeConfig = JudgeConfig()
    """Not used: mathematics is judged without child processes. It is read so that runs of earlier versions can be."""
    held_out: int | None = Field(default=None, ge=1)
    """Where there is no test split: so many rows of the train split, drawn from `seed`, make one."""
    seed: int = 0
    """Draws them."""
    truncated: TruncatedSetting = None
    """Responses cut off by the length limit: judged, a reward (number), or left_out of loss and baseline; none: judged
    where reward functions judge, else 0."""


class RewardConfig(Strict):
    """One reward function."""

    function: str
    """FILE.py:NAME; called as `NAME(prompts=..., completions=..., **columns)`, as TRL does."""
    weight: float = Field(default=1.0, allow_inf_nan=False)


class DatasetTask(Strict):
    """Any dataset: prompts, and gold answers or reward functions."""

    name: Literal["dataset", "jsonl"] = "dataset"
    """Two names for one task."""
    path: str = "."
    """A Hub dataset name, or a local folder or file (docs/tasks.md: jsonl, csv, parquet, shards, save_to_disk ...)."""
    subset: str | None = None
    """The Hub dataset's configuration; in a folder, the folder of that name where there is one."""
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
    template: str = "plain"
    """Put around prompts of text: text with `{question}`, or a preset: paper, boxed, answer, plain."""
    rewards: list[RewardConfig] = Field(default=[])
    """Reward functions, e.g. [{function: rewards.py:is_short, weight: 0.5}]; they take the judge's place."""
    judge: JudgeConfig = JudgeConfig()
    """Not used: mathematics is judged without child processes. It is read so that runs of earlier versions can be."""
    held_out: int | None = Field(default=None, ge=1)
    """Where there is no test split: so many rows of the train split, drawn from `seed`, make one."""
    seed: int = 0
    """Draws them."""
    truncated: TruncatedSetting = None
    """Responses cut off by the length limit: judged, a reward (number), or left_out of loss and baseline; none: judged
    where reward functions judge, else 0."""


class GeneratorConfig(Strict):
    """One of Reasoning Gym's generators."""

    name: str
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """How often it is drawn, relative to the others."""
    settings: dict[str, object] = Field(default={})
    """The generator's own."""


class ReasoningGymTask(Strict):
    """Procedural reasoning questions, judged by their own scorers. Needs the extra `vineppo[reasoning-gym]`."""

    name: Literal["reasoning_gym"] = "reasoning_gym"
    generators: list[GeneratorConfig] = Field(default=[GeneratorConfig(name="leg_counting")], min_length=1)
    """E.g. [{name: countdown, weight: 2.0, settings: {max_numbers: 4}}, {name: leg_counting}]."""
    train_questions: int = Field(default=2000, ge=1)
    test_questions: int = Field(default=200, ge=1)
    seed: int = 0
    """Generates the questions; train and test are disjoint."""
    template: str = "answer"
    """The prompt; `{question}` is replaced. Or a preset: paper, boxed, answer, plain."""
    judge: JudgeConfig = JudgeConfig()
    truncated: TruncatedSetting = None
    """Responses cut off by the length limit: judged, a reward (number), or left_out of loss and baseline; none: judged
    where reward functions judge, else 0."""


class CustomTask(Strict):
    """A task object handed to the Python API; it cannot be named from the command line."""

    name: Literal["custom"] = "custom"
    truncated: TruncatedSetting = None
    """Responses cut off by the length limit: judged, a reward (number), or left_out of loss and baseline; none: judged
    where reward functions judge, else 0."""


TaskConfig = Annotated[
    ArithmeticTask
    | RegistersTask
    | WordProblemsTask
    | Gsm8kTask
    | MathTask
    | DatasetTask
    | ReasoningGymTask
    | CustomTask,
    Field(discriminator="name"),
]
