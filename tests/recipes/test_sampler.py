"""Where trajectories come from: attempts of the curriculum first, then fresh ones, every token counted once."""

from collections.abc import Sequence

import pytest

from classroom import SAMPLING, classroom, question
from vineppo.curriculum.attempts import Examiner
from vineppo.curriculum.choice import Curriculum
from vineppo.curriculum.per_iteration import PerIteration
from vineppo.curriculum.uniform import Uniform
from vineppo.environment import Environment
from vineppo.progress import Display
from vineppo.recipes.sampler import Sampler
from vineppo.types import Trajectory

QUESTIONS = [question(i % 9, i) for i in range(20)]


def sampler(environment: Environment, curriculum: Curriculum, *, count: int = 4) -> Sampler:
    def whole(trajectory: Trajectory, texts: Sequence[str]) -> tuple[int, ...]:
        return 0, len(texts)

    return Sampler(
        environment=environment,
        curriculum=curriculum,
        segment=whole,
        token_texts=lambda ids: [str(i) for i in ids],
        read_prompt=str,
        count=count,
        sampling=SAMPLING,
        seed=0,
    )


def learnability(environment: Environment, *, attempts: int, reused: int) -> PerIteration:
    examine = Examiner(environment=environment, sampling=SAMPLING, count=attempts)
    return PerIteration(questions=QUESTIONS, count=3, seed=0, examine=examine, factor=4, reused=reused)


def test_without_attempts_all_trajectories_are_fresh():
    environment, engine = classroom()
    scored, metrics = sampler(environment, Uniform(questions=QUESTIONS, count=3, seed=0)).sample(1, Display(1))
    assert [request.count for request in engine.requests] == [4, 4, 4]
    assert len(scored) == 12
    assert metrics["tokens/trajectories"] == sum(len(item.trajectory.response_ids) for item in scored)
    assert all(item.bounds == (0, len(item.trajectory.response_ids)) for item in scored)


@pytest.mark.parametrize(("attempts", "reused", "fresh"), [(8, 4, 0), (4, 4, 0), (3, 3, 1), (8, 0, 4)])
def test_attempts_serve_as_trajectories_and_only_what_is_missing_is_sampled(attempts: int, reused: int, fresh: int):
    environment, engine = classroom()
    curriculum = learnability(environment, attempts=attempts, reused=reused)
    made = sampler(environment, curriculum)
    scored, metrics = made.sample(1, Display(1))
    decoded = [request.count for request in engine.requests]
    assert decoded == [attempts] * 12 + [fresh] * (3 if fresh else 0)
    chosen = curriculum.choose(1, Display(1))
    groups = [scored[start : start + 4] for start in (0, 4, 8)]
    for group, item in zip(groups, chosen.questions, strict=True):
        assert {one.trajectory.question.id for one in group} == {item.id}
        known = chosen.attempts.get(item.id, ())
        assert [one.trajectory for one in group][: len(known)] == [attempt.trajectory for attempt in known]
    tokens = sum(
        len(completion.token_ids)
        for group in engine.sample(engine.requests[: 12 + (3 if fresh else 0)], SAMPLING)
        for completion in group
    )
    assert metrics["tokens/curriculum"] + metrics["tokens/trajectories"] == tokens


def test_fresh_trajectories_are_not_the_attempts_over_again():
    environment, _ = classroom()
    made = sampler(environment, learnability(environment, attempts=2, reused=2), count=64)
    scored, _ = made.sample(1, Display(1))
    responses = [item.trajectory.response_ids for item in scored]
    for start in (0, 64, 128):
        group = responses[start : start + 64]
        assert group[:2] != group[2:4] or group[2:4] != group[4:6]


def test_the_iteration_decides():
    environment, _ = classroom()
    made = sampler(environment, learnability(environment, attempts=8, reused=4))
    assert made.sample(1, Display(1)) == made.sample(1, Display(1))
    assert made.sample(1, Display(1)) != made.sample(2, Display(1))
