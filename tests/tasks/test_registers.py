import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.errors import UserError
from vineppo.settings.shapes import ANSWER_TOKENS
from vineppo.tasks.arithmetic import Habits, judge_one, make_habits
from vineppo.tasks.build import build_task
from vineppo.tasks.demonstrations import endless_demonstrations
from vineppo.tasks.registers import Instruction, Program, Registers, RegistersTask, demonstrate

NO_HABITS = Habits(offsets={}, probability=1.0)
TOKENIZER = RegistersTask().tokenizer()
PROGRAM = Program(
    start=(("x", 3), ("y", 7), ("z", 2)),
    instructions=(
        Instruction(register="y", operator="+", operand=5),
        Instruction(register="z", operator="*", operand=4),
        Instruction(register="x", operator="=", operand="y"),
        Instruction(register="y", operator="=", operand=9),
        Instruction(register="z", operator="-", operand=2),
    ),
    asked="x",
    modulus=50,
)


def small(seed: int = 0, **knobs: int) -> Registers:
    return Registers(**{"instructions": 6, "least_that_matter": 2, "train_questions": 60, "test_questions": 20} | knobs)


def test_a_program_by_hand():
    assert PROGRAM.prompt == "x3y7z2;y+5z*4x=yy=9z-2?x\n"
    assert PROGRAM.answer == 12
    assert demonstrate(PROGRAM, NO_HABITS, random.Random(0)) == (
        "y7+5=y12\nz2*4=z8\nx3=y=x12\ny12=9=y9\nz8-2=z6\n####12"
    )


def test_what_matters_is_read_backwards_from_the_asked_register():
    assert PROGRAM.matters == (True, False, True, False, False)
    assert replace(PROGRAM, asked="y").matters == (False, False, False, True, False)
    assert replace(PROGRAM, asked="z").matters == (False, True, False, False, True)


PROGRAMS = st.integers(0, 10**6).map(lambda seed: small().random_program(random.Random(seed)))


@given(PROGRAMS, st.data())
def test_exactly_the_instructions_that_matter_can_change_the_answer(program: Program, data: st.DataObject):
    """An error put into one line is carried on by the lines after it. Multiplying may still lose it."""
    at = data.draw(st.integers(0, len(program.instructions) - 1))
    calls = iter(range(len(program.instructions)))
    wrong = {index for index, one in enumerate(program.instructions) if one.operator != "="}

    class Once(Habits):
        def offset(self, operator: str, operand: int, rng: random.Random) -> int:
            index = next(calls)
            while index not in wrong:
                index = next(calls)
            return 1 if index == at else 0

    response = demonstrate(program, Once(offsets={}, probability=1.0), random.Random(0))
    right = judge_one(str(program.answer), response).reward == 1.0
    later = [one.operator for one in program.instructions[at + 1 :]]
    if not program.matters[at] or at not in wrong:
        assert right
    elif "*" not in later:
        assert not right


@given(PROGRAMS)
def test_demonstrations_without_habits_are_right_and_of_one_shape(program: Program):
    response = demonstrate(program, NO_HABITS, random.Random(0))
    assert judge_one(str(program.answer), response).reward == 1.0
    ids = TOKENIZER(response).input_ids
    assert len(ids) + 1 == len(program.instructions) * RegistersTask.line_tokens + ANSWER_TOKENS
    assert TOKENIZER.decode(TOKENIZER(program.prompt).input_ids) == program.prompt


def test_enough_instructions_matter_and_splits_share_no_prompt():
    task = small(least_that_matter=3)
    rng = random.Random(0)
    assert min(sum(task.random_program(rng).matters) for _ in range(300)) == 3
    train, test = ({question.prompt for question in task.questions(split)} for split in ("train", "test"))
    assert (len(train), len(test), len(train & test)) == (60, 20, 0)


def test_more_that_matter_than_there_are_is_refused():
    with pytest.raises(UserError, match=r"task\.least_that_matter is 7, but a program has only 6 instructions"):
        small(least_that_matter=7)


def test_habits_make_some_demonstrations_wrong():
    config = RegistersTask(train_questions=50, test_questions=10, habits=12, habit_probability=0.6)
    task = build_task(config)
    habits = make_habits(operators="+-*", count=12, probability=0.6, seed=0)
    rng = random.Random(0)
    assert isinstance(task, Registers)
    programs = [task.random_program(rng) for _ in range(400)]
    right = sum(judge_one(str(one.answer), demonstrate(one, habits, rng)).reward for one in programs) / 400
    assert 0.15 < right < 0.45
    prompt, response = next(endless_demonstrations(config, seed=1))
    assert prompt.count("?") == 1
    assert "####" in response
