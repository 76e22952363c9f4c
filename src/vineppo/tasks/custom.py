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
            "task.name is 'custom': the task was an object handed to the Python API, which no configuration can make "
            "again; hand it over there, or name a class of yours, task=FILE.py:CLASS (docs/own.md), or one that is here"
        )

    @property
    def unjudged(self) -> str:
        """Nothing is known of it."""
        return "the task is an object of yours"
