"""The curricula that look at nothing but the seed and the iteration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.curriculum.epoch import Epoch
from vineppo.curriculum.uniform import Uniform
from vineppo.progress import Display
from vineppo.types import Question

KINDS = {"uniform": Uniform, "epoch": Epoch}


def picked(total: int, count: int, *, name: str, seed: int = 0, iteration: int = 1) -> list[str]:
    questions = [Question(id=str(i), prompt="", answer="") for i in range(total)]
    choice = KINDS[name](questions=questions, count=count, seed=seed).choose(iteration, Display(1))
    assert (choice.attempts, choice.metrics, choice.reused) == ({}, {}, 0)
    return [question.id for question in choice.questions]


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
def test_an_iteration_gets_as_many_distinct_questions_as_it_asks_for(name: str, data: st.DataObject):
    total = data.draw(st.integers(1, 30))
    count = data.draw(st.integers(1, total))
    iteration = data.draw(st.integers(1, 200))
    ids = picked(total, count, name=name, iteration=iteration)
    assert len(set(ids)) == len(ids) == count
    assert set(ids) <= {str(i) for i in range(total)}


@pytest.mark.parametrize("name", KINDS)
def test_seed_and_iteration_decide(name: str):
    drawn = {
        (seed, i): tuple(picked(50, 10, name=name, seed=seed, iteration=i)) for seed in (0, 1) for i in range(1, 9)
    }
    assert drawn == {
        (seed, i): tuple(picked(50, 10, name=name, seed=seed, iteration=i)) for seed in (1, 0) for i in range(8, 0, -1)
    }
    assert len(set(drawn.values())) == len(drawn)


def test_an_epoch_shows_every_question_once_before_any_comes_again():
    first = [id for i in (1, 2, 3) for id in picked(12, 4, name="epoch", iteration=i)]
    second = [id for i in (4, 5, 6) for id in picked(12, 4, name="epoch", iteration=i)]
    assert sorted(first, key=int) == sorted(second, key=int) == [str(i) for i in range(12)]
    assert first != second


def test_the_rest_that_does_not_fill_an_iteration_sits_the_epoch_out():
    epochs = [
        [id for i in (1, 2, 3) for id in picked(11, 3, name="epoch", iteration=3 * epoch + i)] for epoch in range(40)
    ]
    assert all(len(set(epoch)) == len(epoch) == 9 for epoch in epochs)
    left_out = {id for epoch in epochs for id in set(map(str, range(11))) - set(epoch)}
    assert len(left_out) == 11  # another two each time, so nobody is left out for ever


def test_uniform_draws_every_question_about_equally_often():
    draws = [id for i in range(1, 1001) for id in picked(10, 2, name="uniform", iteration=i)]
    expected = 200
    chi_square = sum((draws.count(str(i)) - expected) ** 2 / expected for i in range(10))
    assert chi_square < 27.9  # 9 degrees of freedom, p = 0.001


def test_one_iteration_may_take_everything():
    for name in KINDS:
        assert sorted(picked(5, 5, name=name, iteration=7)) == ["0", "1", "2", "3", "4"]
