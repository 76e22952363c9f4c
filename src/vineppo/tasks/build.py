"""From the configuration to the task."""

from vineppo.config.schema import ArithmeticTask, CustomTask, Gsm8kTask, TaskConfig
from vineppo.errors import UserError
from vineppo.seams import Task
from vineppo.tasks.arithmetic import Arithmetic
from vineppo.tasks.gsm8k import Gsm8k


def build_task(config: TaskConfig) -> Task:
    """The task that `config` names."""
    match config:
        case ArithmeticTask():
            return Arithmetic(
                operations=config.operations,
                modulus=config.modulus,
                operators=config.operators,
                train_questions=config.train_questions,
                test_questions=config.test_questions,
                seed=config.seed,
            )
        case Gsm8kTask():
            return Gsm8k(config.path, config.subset, config.template)
        case CustomTask():
            raise UserError(
                "task.name 'custom' cannot be built from a configuration; "
                "hand the task object to the Python API, or set task.name to arithmetic or gsm8k"
            )
