"""Worked solutions for supervised finetuning."""

import random
from collections.abc import Iterator

from vineppo.config.schema import ArithmeticTask, RegistersTask, TaskConfig
from vineppo.errors import UserError
from vineppo.rng import derive_seed
from vineppo.tasks import registers
from vineppo.tasks.arithmetic import Arithmetic, Habits, demonstrate, make_habits
from vineppo.tasks.build import build_task
from vineppo.tasks.gsm8k import Gsm8k
from vineppo.tasks.mathematics import Math
from vineppo.tasks.registers import Registers

Demonstration = tuple[str, str]
"""Prompt and response."""


def endless_demonstrations(config: TaskConfig, *, seed: int) -> Iterator[Demonstration]:
    """Demonstrations of the training split, without end, in an order that depends on the seed alone."""
    rng = random.Random(derive_seed(seed, "demonstrations"))
    match build_task(config), config:
        case Arithmetic() as task, ArithmeticTask() as knobs:
            return _fresh_chains(task, _habits(knobs), rng)
        case Registers() as task, RegistersTask() as knobs:
            return _fresh_programs(task, _habits(knobs), rng)
        case (Gsm8k() | Math()) as task, _:
            return _drawn(task.demonstrations("train"), rng)
        case _:
            raise UserError(f"task {config.name} has no demonstrations; take task arithmetic, registers, gsm8k or math")


def _habits(knobs: ArithmeticTask | RegistersTask) -> Habits:
    return make_habits(
        operators=knobs.operators, count=knobs.habits, probability=knobs.habit_probability, seed=knobs.seed
    )


def _fresh_chains(task: Arithmetic, habits: Habits, rng: random.Random) -> Iterator[Demonstration]:
    while True:
        chain = task.random_chain(rng)
        if not task.is_test(chain):
            yield chain.prompt, demonstrate(chain, habits, rng)


def _fresh_programs(task: Registers, habits: Habits, rng: random.Random) -> Iterator[Demonstration]:
    while True:
        program = task.random_program(rng)
        if not task.is_test(program):
            yield program.prompt, registers.demonstrate(program, habits, rng)


def _drawn(known: list[Demonstration], rng: random.Random) -> Iterator[Demonstration]:
    while True:
        yield rng.choice(known)
