"""A task that is no settings but an object of yours."""

from typing import Literal

from vineppo.errors import UserError
from vineppo.seams import Task
from vineppo.tasks.settings import TaskSettings


class CustomTask(TaskSettings):
    """A task object handed to the Python API; it cannot be named from the command line."""

    name: Literal["custom"] = "custom"

    def build(self) -> Task:
        """Refused."""
        raise UserError(
            "task.name 'custom' cannot be built from a configuration; hand the task object to the Python API, or set "
            "task.name to arithmetic, registers, word_problems, gsm8k, math, dataset or reasoning_gym"
        )

    @property
    def unjudged(self) -> str:
        """Nothing is known of it."""
        return "the task is an object of yours"
