"""Worked solutions for supervised finetuning."""

import random
from collections.abc import Iterator

from vineppo.rng import derive_seed
from vineppo.tasks.settings import Demonstration, TaskSettings


def endless_demonstrations(task: TaskSettings, *, seed: int) -> Iterator[Demonstration]:
    """Demonstrations of the training split, without end, in an order that depends on the seed alone."""
    return task.demonstrations(random.Random(derive_seed(seed, "demonstrations")))
