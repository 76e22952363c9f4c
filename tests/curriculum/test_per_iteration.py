"""LILO: the batch is the most learnable of the candidates, whatever there is to choose from."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classroom import examiner, question
from vineppo.curriculum.attempts import rewards, tokens
from vineppo.curriculum.learnability import learnability
from vineppo.curriculum.per_iteration import PerIteration
from vineppo.engines.fake import FakeEngine
from vineppo.progress import Display
from vineppo.types import Question


def curriculum(
    questions: list[Question], *, count: int, factor: int = 4, attempts: int = 8, reused: int = 8, seed: int = 0
) -> tuple[PerIteration, FakeEngine]:
    examine, engine = examiner(attempts)
    made = PerIteration(questions=questions, count=count, seed=seed, examine=examine, factor=factor, reused=reused)
    return made, engine


@given(data=st.data())
@settings(deadline=None, max_examples=50)
def test_a_batch_has_as_many_distinct_questions_as_it_should(data: st.DataObject):
    questions = [question(data.draw(st.integers(0, 8)), i) for i in range(data.draw(st.integers(1, 12)))]
    count, factor = data.draw(st.integers(1, len(questions))), data.draw(st.integers(1, 5))
    made, engine = curriculum(questions, count=count, factor=factor)
    choice = made.choose(data.draw(st.integers(1, 9)), Display(1))
    ids = [item.id for item in choice.questions]
    assert len(ids) == len(set(ids)) == count
    assert len(engine.requests) == choice.metrics["curriculum/candidates"] == min(factor * count, len(questions))


def test_no_candidate_left_out_could_teach_more():
    made, engine = curriculum([question(i % 9, i) for i in range(40)], count=5, factor=8)
    choice = made.choose(1, Display(1))
    worst = min(learnability(rewards(choice.attempts[item.id])) for item in choice.questions)
    assert worst >= 3 / 16, "of 40 questions, 8 attempts at each, five came out right 2 to 6 times"
    assert choice.metrics["curriculum/learnability"] >= worst
    assert all(request.count == 8 for request in engine.requests)


def test_solved_and_hopeless_questions_only_fill_up():
    some = [question(4), *(question(0, i) for i in range(4)), *(question(8, i) for i in range(4))]
    for seed in range(5):
        made, _ = curriculum(some, count=3, factor=9, seed=seed)
        choice = made.choose(1, Display(1))
        assert choice.questions[0].id == "4-0"
        assert len(choice.questions) == 3
    assert choice.metrics["curriculum/teaches_nothing"] == pytest.approx(8 / 9)


def test_where_nothing_can_be_learned_the_batch_is_a_random_one():
    chosen = set()
    for iteration in range(1, 40):
        made, _ = curriculum([question(0, i) for i in range(6)], count=2, factor=3)
        choice = made.choose(iteration, Display(1))
        assert choice.metrics["curriculum/learnability"] == 0
        chosen |= {item.id for item in choice.questions}
    assert len(chosen) == 6


@pytest.mark.parametrize("reused", [0, 3, 8])
def test_every_decoded_token_is_counted_once(reused: int):
    made, engine = curriculum([question(4, i) for i in range(12)], count=3, reused=reused)
    choice = made.choose(2, Display(1))
    assert choice.reused == reused
    handed_on = sum(tokens(choice.attempts[item.id]) for item in choice.questions) if reused else 0
    decoded = sum(
        len(completion.token_ids)
        for group in engine.sample(list(engine.requests), made.examine.sampling)
        for completion in group
    )
    assert choice.metrics["tokens/curriculum"] + handed_on == decoded
    assert all(len(own) == reused for own in choice.attempts.values())


def test_asking_again_gives_the_same_answer_and_another_iteration_another():
    made, _ = curriculum([question(i % 9, i) for i in range(50)], count=4)
    assert made.choose(3, Display(1)) == made.choose(3, Display(1))
    assert made.choose(3, Display(1)) != made.choose(4, Display(1))
    assert made.state() == {}
