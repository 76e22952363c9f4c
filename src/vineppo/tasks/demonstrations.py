"""Worked solutions for supervised finetuning."""

import random
from collections.abc import Callable, Iterator
from functools import partial

from vineppo.config.schema import ArithmeticTask, RegistersTask, TaskConfig, WordProblemsTask
from vineppo.errors import UserError
from vineppo.rng import derive_seed
from vineppo.tasks import registers
from vineppo.tasks.arithmetic import Arithmetic, Habits, demonstrate, make_habits
from vineppo.tasks.build import build_task
from vineppo.tasks.generated import P
from vineppo.tasks.gsm8k import Gsm8k
from vineppo.tasks.mathematics import Math
from vineppo.tasks.registers import Registers
from vineppo.tasks.word_problems import story
from vineppo.tasks.word_problems.misreadings import make_misreadings
from vineppo.tasks.word_problems.phrases import phrases
from vineppo.tasks.word_problems.task import WordProblems

Demonstration = tuple[str, str]
"""Prompt and response."""


def endless_demonstrations(config: TaskConfig, *, seed: int) -> Iterator[Demonstration]:
    """Demonstrations of the training split, without end, in an order that depends on the seed alone."""
    rng = random.Random(derive_seed(seed, "demonstrations"))
    match build_task(config.model_copy(update={"truncated": None})), config:
        case Arithmetic() as task, ArithmeticTask() as knobs:
            habits = _habits(knobs)
            solve = partial(demonstrate, habits=habits, rng=rng)
            return _fresh(lambda: task.random_chain(rng), task.is_test, solve)
        case Registers() as task, RegistersTask() as knobs:
            habits = _habits(knobs)
            solve = partial(registers.demonstrate, habits=habits, rng=rng)
            return _fresh(lambda: task.random_program(rng), task.is_test, solve)
        case WordProblems() as task, WordProblemsTask(habits=count, habit_probability=probability):
            misreadings = make_misreadings(list(phrases()), count=count, probability=probability, seed=config.seed)
            solve = partial(story.demonstrate, misreadings=misreadings, rng=rng)
            return _fresh(lambda: task.random_story(rng), task.is_test, solve)
        case (Gsm8k() | Math()) as task, _:
            return _drawn(task.demonstrations("train"), rng)
        case _:
            raise UserError(
                f"task {config.name} has no demonstrations; "
                "take task arithmetic, registers, word_problems, gsm8k or math"
            )


def _habits(knobs: ArithmeticTask | RegistersTask) -> Habits:
    return make_habits(
        operators=knobs.operators, count=knobs.habits, probability=knobs.habit_probability, seed=knobs.seed
    )


def _fresh(draw: Callable[[], P], is_test: Callable[[P], bool], solve: Callable[[P], str]) -> Iterator[Demonstration]:
    while True:
        puzzle = draw()
        if not is_test(puzzle):
            yield puzzle.prompt, solve(puzzle)


def _drawn(known: list[Demonstration], rng: random.Random) -> Iterator[Demonstration]:
    while True:
        yield rng.choice(known)
