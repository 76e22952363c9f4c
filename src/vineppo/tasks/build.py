"""From the configuration to the task."""

from vineppo.config.schema import (
    ArithmeticTask,
    CustomTask,
    DatasetTask,
    Gsm8kTask,
    MathTask,
    ReasoningGymTask,
    RegistersTask,
    TaskConfig,
    WordProblemsTask,
)
from vineppo.errors import UserError
from vineppo.seams import Task
from vineppo.tasks import arithmetic, gsm8k
from vineppo.tasks.arithmetic import Arithmetic
from vineppo.tasks.dataset import Dataset
from vineppo.tasks.gsm8k import Gsm8k
from vineppo.tasks.judge.mathematics import MathJudge
from vineppo.tasks.judge.responses import AnswerVerdicts, Verdicts
from vineppo.tasks.judge.workers import Workers
from vineppo.tasks.mathematics import Math
from vineppo.tasks.reasoning_gym import MODULE, Generator, ReasoningGym
from vineppo.tasks.registers import Registers
from vineppo.tasks.reward import WeightedRewards
from vineppo.tasks.reward_file import load_reward
from vineppo.tasks.rows import Row, read_rows, read_splits
from vineppo.tasks.truncated import with_truncation
from vineppo.tasks.word_problems.task import WordProblems


def build_task(config: TaskConfig) -> Task:
    """The task that `config` names, and what it says of responses that are cut off."""
    return with_truncation(_build_task(config), config.truncated)


def _build_task(config: TaskConfig) -> Task:
    match config:
        case ArithmeticTask() | RegistersTask() | WordProblemsTask():
            return build_generated(config)
        case Gsm8kTask():
            return build_gsm8k(config)
        case MathTask():
            return build_math(config)
        case DatasetTask():
            return build_dataset(config)
        case ReasoningGymTask():
            return build_reasoning_gym(config)
        case CustomTask():
            raise UserError(
                "task.name 'custom' cannot be built from a configuration; hand the task object to the Python API, "
                "or set task.name to arithmetic, registers, word_problems, gsm8k, math, dataset or reasoning_gym"
            )


def build_generated(config: ArithmeticTask | RegistersTask | WordProblemsTask) -> Task:
    """Questions that the task makes itself."""
    match config:
        case ArithmeticTask():
            return Arithmetic(
                operations=config.operations,
                fewest_operations=config.fewest_operations,
                modulus=config.modulus,
                operators=config.operators,
                train_questions=config.train_questions,
                test_questions=config.test_questions,
                seed=config.seed,
            )
        case RegistersTask():
            return Registers(
                instructions=config.instructions,
                registers=config.registers,
                modulus=config.modulus,
                operators=config.operators,
                least_that_matter=config.least_that_matter,
                train_questions=config.train_questions,
                test_questions=config.test_questions,
                seed=config.seed,
            )
        case WordProblemsTask():
            return WordProblems(
                lines=config.lines,
                fewest_lines=config.fewest_lines,
                people=config.people,
                least_that_matter=config.least_that_matter,
                train_questions=config.train_questions,
                test_questions=config.test_questions,
                seed=config.seed,
            )


def build_verdicts(config: TaskConfig) -> Verdicts:
    """What judges questions that come from outside the task."""
    match config:
        case ArithmeticTask() | WordProblemsTask():
            return lambda questions, responses: [
                arithmetic.judge_one(q.answer, r) for q, r in zip(questions, responses, strict=True)
            ]
        case Gsm8kTask(answer_marker=marker):
            return lambda questions, responses: [
                gsm8k.judge_one(q.answer, r, marker) for q, r in zip(questions, responses, strict=True)
            ]
        case MathTask():
            return build_answer_verdicts(None)
        case DatasetTask():
            return build_dataset_verdicts(config)
        case RegistersTask() | ReasoningGymTask() | CustomTask():
            raise UserError(
                f"task {config.name} judges only questions of its own; set task to arithmetic, gsm8k, math or dataset"
            )


def build_gsm8k(config: Gsm8kTask) -> Gsm8k:
    """From its two splits, or from one of which some is held out."""
    rows = None
    if config.held_out is not None:
        rows = read_splits(config.path, subset=config.subset, held_out=config.held_out, seed=config.seed)
    return Gsm8k(config.path, config.subset, config.template, config.answer_marker, rows=rows)


def build_math(config: MathTask) -> Math:
    """Both splits from one place, or from two."""
    if config.test_path is not None and config.held_out is not None:
        raise UserError(
            f"task.held_out is {config.held_out}, but task.test_path {config.test_path!r} brings test questions; set "
            "one of them to null"
        )
    if config.test_path is None:
        files = (config.train_file, config.test_file)
        train, test = read_splits(
            config.path, subset=config.subset, files=files, held_out=config.held_out, seed=config.seed
        )
    else:
        train = read_rows(config.path, "train", subset=config.subset, file=config.train_file)
        test = read_rows(config.test_path, "test", subset=config.subset, file=config.test_file)
    return Math(
        train=train,
        test=test,
        template=config.template,
        verdicts=build_answer_verdicts(None),
    )


def read_dataset(config: DatasetTask) -> tuple[list[Row], list[Row]]:
    """Its train rows and its test rows."""
    if config.held_out is not None and (config.test_file or config.test_split != "test"):
        raise UserError(
            f"task.held_out is {config.held_out}, but task.test_split or task.test_file names test questions; leave "
            "one of them out"
        )
    return read_splits(
        config.path,
        subset=config.subset,
        files=(config.train_file, config.test_file),
        splits=(config.train_split, config.test_split),
        held_out=config.held_out,
        seed=config.seed,
    )


def build_dataset(config: DatasetTask) -> Dataset:
    """Rows, and what judges them."""
    train, test = read_dataset(config)
    return Dataset(
        train=train,
        test=test,
        prompt_column=config.prompt_column,
        answer_column=config.answer_column,
        answer_marker=config.answer_marker,
        template=config.template,
        rewarded=bool(config.rewards),
        verdicts=build_dataset_verdicts(config),
    )


def build_dataset_verdicts(config: DatasetTask) -> Verdicts:
    """Reward functions where there are any, else the mathematics judge."""
    rewards = [(load_reward(reward.function), reward.weight) for reward in config.rewards]
    return WeightedRewards(rewards) if rewards else build_answer_verdicts(config.answer_marker)


def build_reasoning_gym(config: ReasoningGymTask) -> ReasoningGym:
    """Generators, and child processes for their scorers."""
    judge = config.judge
    return ReasoningGym(
        [Generator(name=each.name, weight=each.weight, settings=each.settings) for each in config.generators],
        train_questions=config.train_questions,
        test_questions=config.test_questions,
        seed=config.seed,
        template=config.template,
        workers=Workers(MODULE, count=judge.workers, seconds=judge.seconds, memory_mib=judge.memory_mib),
    )


def build_answer_verdicts(marker: str | None) -> AnswerVerdicts:
    """The mathematics judge."""
    return AnswerVerdicts(judge=MathJudge(), marker=marker)
