"""From the settings of a task to the task."""

from vineppo.seams import Task
from vineppo.tasks.settings import TaskSettings
from vineppo.tasks.truncated import with_truncation


def build_task(settings: TaskSettings) -> Task:
    """What it asks and judges, and what it says of responses that are cut off."""
    return with_truncation(settings.build(), settings.truncated)
