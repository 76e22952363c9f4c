"""SFL: what may enter the buffer, how a batch is mixed, and what a resumed run needs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classroom import eighths_of, examiner, question
from vineppo.curriculum.buffer import Buffer
from vineppo.curriculum.choice import Choice
from vineppo.engines.fake import FakeEngine
from vineppo.progress import Display
from vineppo.types import Question

QUESTIONS = [question(i % 9, i) for i in range(90)]


def curriculum(
    questions: list[Question],
    *,
    count: int = 6,
    candidates: int = 1000,
    keep: int = 1000,
    every: int = 3,
    share: float = 0.5,
) -> tuple[Buffer, FakeEngine]:
    examine, engine = examiner()
    made = Buffer(
        questions=questions,
        count=count,
        seed=0,
        examine=examine,
        candidates=candidates,
        keep=keep,
        every=every,
        share=share,
    )
    return made, engine


def ids(choice: Choice) -> list[str]:
    return [item.id for item in choice.questions]


@given(data=st.data())
@settings(deadline=None, max_examples=50)
def test_a_batch_has_as_many_distinct_questions_as_it_should(data: st.DataObject):
    questions = [question(data.draw(st.integers(0, 8)), i) for i in range(data.draw(st.integers(1, 12)))]
    made, _ = curriculum(
        questions,
        count=data.draw(st.integers(1, len(questions))),
        candidates=data.draw(st.integers(1, 20)),
        keep=data.draw(st.integers(1, 20)),
        share=data.draw(st.floats(0, 1)),
    )
    for iteration in (1, 2, 3, 4):
        chosen = ids(made.choose(iteration, Display(1)))
        assert len(chosen) == len(set(chosen)) == made._count
        assert len(made.state()["buffer"]) <= made._keep


def test_solved_and_hopeless_questions_never_enter():
    made, _ = curriculum(QUESTIONS)
    made.choose(1, Display(1))
    buffer = made.state()["buffer"]
    assert not {id for id in buffer if id.startswith(("0-", "8-"))}
    assert len(buffer) > 50, "nearly all of the other 70, in 8 attempts"


def test_the_buffer_keeps_the_most_learnable():
    made, _ = curriculum(QUESTIONS, keep=10)
    made.choose(1, Display(1))
    eighths = [int(id.split("-")[0]) for id in made.state()["buffer"]]
    assert len(eighths) == 10
    assert all(2 <= p <= 6 for p in eighths)


def test_the_share_of_a_batch_comes_from_the_buffer():
    made, _ = curriculum([*(question(4, i) for i in range(20)), *(question(0, i) for i in range(2000))], count=8)
    for iteration in (1, 2, 3):
        choice = made.choose(iteration, Display(1))
        assert choice.metrics["curriculum/from_buffer"] == 0.5
        assert sum(eighths_of(item) == 4 for item in choice.questions[:4]) == 4
        assert sum(eighths_of(item) == 0 for item in choice.questions[4:]) >= 3


@pytest.mark.parametrize(("share", "from_buffer"), [(0.0, 0.0), (1.0, 1.0)])
def test_all_or_nothing_of_a_batch_may_come_from_the_buffer(share: float, from_buffer: float):
    made, _ = curriculum(QUESTIONS, share=share)
    assert made.choose(1, Display(1)).metrics["curriculum/from_buffer"] == from_buffer


def test_a_buffer_with_too_few_questions_gives_what_it_has():
    made, _ = curriculum([question(4), *(question(8, i) for i in range(30))], count=6, share=1.0)
    choice = made.choose(1, Display(1))
    assert made.state()["buffer"] == ["4-0"]
    assert choice.metrics["curriculum/buffer"] == 1
    assert choice.metrics["curriculum/from_buffer"] == pytest.approx(1 / 6)
    assert ids(choice)[0] == "4-0"


def test_an_empty_buffer_leaves_a_uniform_draw():
    made, _ = curriculum([question(0, i) for i in range(30)], share=1.0)
    choice = made.choose(1, Display(1))
    assert made.state() == {"buffer": []}
    assert len(choice.questions) == 6
    assert "curriculum/learnability" not in choice.metrics


def test_a_dataset_smaller_than_asked_for_is_tried_whole():
    made, engine = curriculum(QUESTIONS, candidates=1280, keep=256)
    choice = made.choose(1, Display(1))
    assert len(engine.requests) == choice.metrics["curriculum/candidates"] == 90


def test_the_buffer_is_refreshed_when_it_is_due_and_is_stale_in_between():
    made, engine = curriculum(QUESTIONS, candidates=30, every=3)
    tried, buffers, spent = [], [], []
    for iteration in range(1, 8):
        before = len(engine.requests)
        choice = made.choose(iteration, Display(1))
        tried.append(len(engine.requests) - before)
        buffers.append(made.state()["buffer"])
        spent.append(choice.metrics.get("tokens/curriculum"))
    assert tried == [30, 0, 0, 30, 0, 0, 30]
    assert buffers[0] == buffers[1] == buffers[2] != buffers[3] == buffers[5] != buffers[6]
    assert [tokens is None for tokens in spent] == [False, True, True, False, True, True, False]


def test_a_restored_curriculum_goes_on_as_the_one_it_was_taken_from():
    whole, _ = curriculum(QUESTIONS, every=3)
    expected = [ids(whole.choose(iteration, Display(1))) for iteration in range(1, 9)]
    for stop in range(1, 8):
        before, after = (curriculum(QUESTIONS, every=3)[0] for _ in range(2))
        for iteration in range(1, stop + 1):
            before.choose(iteration, Display(1))
        after.restore(before.state())
        assert [ids(after.choose(iteration, Display(1))) for iteration in range(stop + 1, 9)] == expected[stop:]


def test_asking_again_gives_the_same_answer():
    made, _ = curriculum(QUESTIONS)
    first = made.choose(1, Display(1)), made.choose(2, Display(1))
    assert (made.choose(1, Display(1)), made.choose(2, Display(1))) == first
