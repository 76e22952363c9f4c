"""The engine over an explicit law: it follows the law, and keeps the promises every engine makes."""

from collections import Counter
from collections.abc import Mapping
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.engines.fake import FakeEngine
from vineppo.types import Finish, Request, Sampling

END = 0
FIRST, AFTER_1, AFTER_2 = [0.2, 0.5, 0.3], [0.7, 0.1, 0.2], [0.1, 0.0, 0.9]
SAMPLING = Sampling(max_new_tokens=6)
DRAWS = 6000
LIMIT_1, LIMIT_2 = 10.83, 13.82  # chi-square at p = 0.001 for 1 and 2 degrees of freedom


def law(prefix: tuple[int, ...]) -> list[float]:
    return {9: FIRST, 1: AFTER_1, 2: AFTER_2}[prefix[-1]]


def engine() -> FakeEngine:
    return FakeEngine(law, end_ids=(END,))


def request(count: int, *, seed: int = 0, **settings: int) -> Request:
    return Request(prefix=(9,), count=count, seed=seed, **settings)


def chi_square(counts: Counter[int], expected: Mapping[int, float]) -> float:
    total = sum(counts.values())
    assert counts.keys() <= expected.keys()
    return sum((counts[token] - total * p) ** 2 / (total * p) for token, p in expected.items())


def test_first_tokens_follow_the_law():
    (drawn,) = engine().sample([request(DRAWS)], SAMPLING)
    counts = Counter(completion.token_ids[0] for completion in drawn)
    assert chi_square(counts, {0: 0.2, 1: 0.5, 2: 0.3}) < LIMIT_2


def test_later_tokens_follow_the_law_of_their_own_prefix():
    (drawn,) = engine().sample([request(DRAWS)], SAMPLING)
    pairs = [completion.token_ids[:2] for completion in drawn if len(completion.token_ids) > 1]
    assert chi_square(Counter(second for first, second in pairs if first == 1), {0: 0.7, 1: 0.1, 2: 0.2}) < LIMIT_2
    assert chi_square(Counter(second for first, second in pairs if first == 2), {0: 0.1, 2: 0.9}) < LIMIT_1


def test_a_forbidden_token_never_comes_first_and_the_rest_is_renormalised():
    (drawn,) = engine().sample([request(DRAWS, forbidden_first=(1,))], SAMPLING)
    counts = Counter(completion.token_ids[0] for completion in drawn)
    assert chi_square(counts, {0: 0.4, 2: 0.6}) < LIMIT_1


def test_a_token_is_forbidden_at_the_first_position_only():
    free = FakeEngine(lambda prefix: FIRST, end_ids=(END,))
    (drawn,) = free.sample([request(DRAWS, forbidden_first=(2,))], SAMPLING)
    seconds = Counter(completion.token_ids[1] for completion in drawn if len(completion.token_ids) > 1)
    assert chi_square(seconds, {0: 0.2, 1: 0.5, 2: 0.3}) < LIMIT_2


def test_forbidding_the_only_possible_token_is_an_error():
    certain = FakeEngine(lambda prefix: [0.0, 1.0], end_ids=(END,))
    with pytest.raises(ValueError, match="probability is 1"):
        certain.sample([request(1, forbidden_first=(1,))], SAMPLING)


def test_logprobs_are_those_of_the_law_that_was_sampled():
    after_forbidding = {0: 0.4, 2: 0.6}
    tables = {1: dict(enumerate(AFTER_1)), 2: dict(enumerate(AFTER_2))}
    (drawn,) = engine().sample([request(50, forbidden_first=(1,))], SAMPLING)
    for completion in drawn:
        chances = [after_forbidding, *(tables[token] for token in completion.token_ids[:-1])]
        expected = [table[token] for table, token in zip(chances, completion.token_ids, strict=True)]
        assert [exp(logprob) for logprob in completion.logprobs] == pytest.approx(expected)


def test_an_end_token_terminates_and_the_limit_truncates():
    (drawn,) = engine().sample([request(400)], SAMPLING)
    ended = [c for c in drawn if c.finish is Finish.TERMINATED]
    cut = [c for c in drawn if c.finish is Finish.TRUNCATED]
    assert len(ended) + len(cut) == 400
    assert ended
    assert cut
    assert all(c.token_ids.index(END) == len(c.token_ids) - 1 <= 5 for c in ended)
    assert all(END not in c.token_ids and len(c.token_ids) == 6 for c in cut)


def test_an_end_token_in_the_last_place_still_terminates():
    three_then_end = FakeEngine(lambda prefix: [0.0, 1.0] if len(prefix) < 4 else [1.0, 0.0], end_ids=(END,))
    (drawn,) = three_then_end.sample([request(1)], Sampling(max_new_tokens=4))
    assert (drawn[0].token_ids, drawn[0].finish) == ((1, 1, 1, 0), Finish.TERMINATED)
    (cut,) = three_then_end.sample([request(1)], Sampling(max_new_tokens=3))
    assert (cut[0].token_ids, cut[0].finish) == ((1, 1, 1), Finish.TRUNCATED)


def test_several_tokens_may_end_a_response():
    both = FakeEngine(lambda prefix: [0.5, 0.5], end_ids=(0, 1))
    (drawn,) = both.sample([request(50)], SAMPLING)
    assert {c.token_ids for c in drawn} == {(0,), (1,)}
    assert {c.finish for c in drawn} == {Finish.TERMINATED}


def test_a_requests_own_limit_wins():
    (drawn,) = engine().sample([request(100, max_new_tokens=2)], SAMPLING)
    assert max(len(completion.token_ids) for completion in drawn) == 2


@given(seed=st.integers(0, 2**63 - 1), count=st.integers(1, 8), more=st.integers(0, 8))
def test_a_continuation_depends_on_its_seed_and_number_alone(seed: int, count: int, more: int):
    (alone,) = engine().sample([request(count, seed=seed)], SAMPLING)
    _, among_others = engine().sample([request(3, seed=seed + 1), request(count + more, seed=seed)], SAMPLING)
    assert among_others[:count] == alone


def test_other_seeds_and_other_numbers_are_other_draws():
    first, second = engine().sample([request(20, seed=1), request(20, seed=2)], SAMPLING)
    assert [c.token_ids for c in first] != [c.token_ids for c in second]
    assert len({c.token_ids for c in first}) > 5


def test_completions_carry_the_version_last_loaded():
    made = engine()
    (before,) = made.sample([request(1)], SAMPLING)
    made.load_weights({}, policy_version=3)
    (after,) = made.sample([request(1)], SAMPLING)
    assert (before[0].policy_version, after[0].policy_version, made.policy_version) == (0, 3, 3)
