"""Stretches that wait: who is learned from when, and that none is twice."""

import json
from collections import Counter

import pytest
from small_scored import scored_response

from vineppo.credit.normalise import normalised_samples
from vineppo.credit.settings import Replay
from vineppo.recipes.replay import ReplayBuffer, stretches
from vineppo.types import Branch, Completion, Credit, Finish, Sample, Scored

QUESTIONS = ("a", "b", "c")


def brought(iteration: int, question: str) -> tuple[Scored, Credit]:
    """A trajectory of two stretches, one of which teaches, and a branch off a branch. Tokens tell the iteration."""
    scored = scored_response(question, (iteration, 1, 2, 3), 1.0)
    completion = Completion(
        token_ids=(iteration, 7), logprobs=(-0.5, -0.25), finish=Finish.TERMINATED, policy_version=0
    )
    branch = Branch(position=2, before=(5, 6), completion=completion, advantages=(-0.75, -0.75))
    return scored, Credit(advantages=(0.5, 0.5, 0.0, 0.0), branches=(branch,))


def draw(buffer: ReplayBuffer, iteration: int) -> list[Sample]:
    pairs = [brought(iteration, question) for question in QUESTIONS]
    drawn, _ = buffer.draw(iteration, [scored for scored, _ in pairs], [credit for _, credit in pairs])
    return drawn


def test_a_stretch_is_a_sample_whose_prompt_is_what_came_before_it():
    buffer = ReplayBuffer(Replay(per_question=9, per_iteration=99, age=1), seed=0)
    first, second, *_ = draw(buffer, 4)
    assert (first.token_ids, first.prompt_length, first.advantages) == ((9, 4, 1), 1, (0.5, 0.5))
    assert (second.token_ids, second.prompt_length) == ((9, 4, 1, 5, 6, 4, 7), 5)
    assert (second.logprobs, second.advantages) == ((-0.5, -0.25), (-0.75, -0.75))
    assert not first.replayed
    assert not second.replayed


def test_runs_of_one_advantage_and_none_that_teaches_nothing():
    sample = Sample(
        token_ids=tuple(range(8)),
        prompt_length=1,
        logprobs=(-1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0),
        advantages=(1.0, 1.0, 0.0, 2.0, 2.0, 3.0, 3.0),
        mask=(True, False, True, True, True, False, False),
    )
    first, second = stretches(sample)
    assert (first.token_ids, first.prompt_length, first.mask) == ((0, 1, 2), 1, (True, False))
    assert (second.token_ids, second.prompt_length) == ((0, 1, 2, 3, 4, 5), 4)
    assert (second.logprobs, second.advantages) == ((-4.0, -5.0), (2.0, 2.0))


@pytest.mark.parametrize(("per_question", "per_iteration", "age"), [(1, 99, 3), (2, 4, 2), (1, 2, 8)])
def test_each_once_within_the_limits_and_never_too_old(per_question: int, per_iteration: int, age: int):
    buffer = ReplayBuffer(Replay(per_question=per_question, per_iteration=per_iteration, age=age), seed=0)
    seen = Counter[tuple[int, ...]]()
    for iteration in range(20, 40):
        drawn = draw(buffer, iteration)
        assert len(drawn) == min(per_question * len(QUESTIONS), per_iteration)
        for own in drawn:
            (born,) = (token for token in set(own.token_ids) if token >= 20)
            assert 0 <= iteration - born < age
            assert own.replayed == (born < iteration)
            seen[own.token_ids] += 1
    # The three questions' stretches are alike.
    assert max(seen.values()) <= len(QUESTIONS)


def test_it_tells_how_old_its_samples_are():
    buffer = ReplayBuffer(Replay(per_question=1, per_iteration=99, age=8), seed=0)
    scored, credit = brought(20, "a")
    assert buffer.draw(20, [scored], [credit])[1] == {"replay/samples": 1, "replay/older": 0, "replay/waiting": 1}
    assert buffer.draw(21, [], [])[1] == {"replay/samples": 1, "replay/older": 1, "replay/waiting": 0}
    assert buffer.draw(22, [], []) == ([], {"replay/samples": 0, "replay/older": 0, "replay/waiting": 0})


def test_restored_it_goes_on_as_it_would_have():
    limits = Replay(per_question=1, per_iteration=2, age=8)
    whole, first, second = (ReplayBuffer(limits, seed=3) for _ in range(3))
    for iteration in (20, 21):
        assert draw(whole, iteration) == draw(first, iteration)
    second.restore(json.loads(json.dumps(first.state())))
    for iteration in (22, 23, 24):
        assert draw(whole, iteration) == draw(second, iteration)


def test_an_updates_samples_are_whitened_together():
    def sample(*advantages: float, mask: tuple[bool, ...] | None = None) -> Sample:
        length = len(advantages)
        return Sample(
            token_ids=(9,) * (length + 1), prompt_length=1, logprobs=(0.0,) * length, advantages=advantages, mask=mask
        )

    first, second = normalised_samples([sample(3.0, 3.0, mask=(True, False)), sample(1.0)], "whiten")
    assert first.advantages == pytest.approx((1, 1))  # mean 2 and standard deviation 1 of the two that learn
    assert second.advantages == pytest.approx((-1,))
    assert normalised_samples([first], "none") == [first]
