"""The exact adviser for programs over registers, on a program worked by hand."""

import importlib.util
from pathlib import Path

import pytest

from vineppo.recipes.proposals import Proposal, read_proposal
from vineppo.tasks.registers import Registers
from vineppo.types import Question

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/registers_adviser.py"
PROGRAM = Question(id="q", prompt="x3y7z2;y+5z*4x=yy=9z-2?x\n", answer="12")
"""Only its first and third instruction matter."""
RIGHT = ["y7+5=y12\n", "z2*4=z8\n", "x3=y=x12\n", "y12=9=y9\n", "z8-2=z6\n", "####12"]


@pytest.fixture(scope="module")
def adviser():
    spec = importlib.util.spec_from_file_location("registers_adviser", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put(**lines: str) -> list[str]:
    """The right steps, but these: first=..., second=..."""
    names = ("first", "second", "third", "fourth", "fifth", "answer")
    return [lines.get(name, step) for name, step in zip(names, RIGHT, strict=True)]


@pytest.mark.parametrize(
    ("steps", "wrong"),
    [
        (RIGHT, "none"),
        (put(second="z2*4=z9\n", fifth="z9-2=z7\n"), "2"),  # later lines carry on from it
        (put(first="y7+5=y11\n"), "1, 3, 4"),  # later lines do not
        (put(answer="####9"), "6"),
        (put(third="gibberish\n"), "3"),
        ([*RIGHT, "more"], "7"),
        (RIGHT[:2], "none"),
    ],
)
def test_it_names_the_lines_that_execute_something_else(adviser, steps: list[str], wrong: str):
    assert adviser.critique(PROGRAM, steps) == f"Wrong steps: {wrong}"


def test_it_mends_the_first_wrong_line_that_matters(adviser):
    steps = put(second="z2*4=z9\n", third="x3=y=x13\n")
    found = read_proposal(adviser.intervene(PROGRAM, steps), num_steps=6)
    assert found == Proposal(location=2, content="x3=y=x12")
    harmless = put(second="z2*4=z9\n", answer="####9")
    assert read_proposal(adviser.intervene(PROGRAM, harmless), num_steps=6) is None


def test_it_reads_the_task_s_own_programs(adviser):
    for question in Registers(train_questions=20, test_questions=1).questions("train"):
        program = adviser.program_of(question)
        assert (program.prompt, str(program.answer)) == (question.prompt, question.answer)
