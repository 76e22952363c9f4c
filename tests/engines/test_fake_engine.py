"""What the engine over an explicit law has of its own; what it shares with the others is in `test_conformance`."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.engines.fake import FakeEngine
from vineppo.types import Finish, Request, Sampling

END = 0
FIRST, AFTER_1, AFTER_2 = [0.2, 0.5, 0.3], [0.7, 0.1, 0.2], [0.1, 0.0, 0.9]
SAMPLING = Sampling(max_new_tokens=6)


def engine() -> FakeEngine:
    return FakeEngine(lambda prefix: {9: FIRST, 1: AFTER_1, 2: AFTER_2}[prefix[-1]], end_ids=(END,))


def test_a_law_given_as_a_table_is_followed():
    (drawn,) = engine().sample([Request(prefix=(9,), count=6000, seed=0)], SAMPLING)
    counts = Counter(completion.token_ids[0] for completion in drawn)
    assert [counts[token] / 6000 for token in range(3)] == pytest.approx([0.2, 0.5, 0.3], abs=0.02)


def test_forbidding_the_only_possible_token_is_an_error():
    certain = FakeEngine(lambda prefix: [0.0, 1.0], end_ids=(END,))
    with pytest.raises(ValueError, match="probability is 1"):
        certain.sample([Request(prefix=(9,), count=1, seed=0, forbidden_first=(1,))], SAMPLING)


def test_several_tokens_may_end_a_response():
    both = FakeEngine(lambda prefix: [0.5, 0.5], end_ids=(0, 1))
    (drawn,) = both.sample([Request(prefix=(9,), count=50, seed=0)], SAMPLING)
    assert {c.token_ids for c in drawn} == {(0,), (1,)}
    assert {c.finish for c in drawn} == {Finish.TERMINATED}


@given(seed=st.integers(0, 2**63 - 1), count=st.integers(1, 8), more=st.integers(0, 8))
def test_a_continuation_depends_on_its_seed_and_number_alone(seed: int, count: int, more: int):
    (alone,) = engine().sample([Request(prefix=(9,), count=count, seed=seed)], SAMPLING)
    requests = [Request(prefix=(9,), count=3, seed=seed + 1), Request(prefix=(9,), count=count + more, seed=seed)]
    _, among_others = engine().sample(requests, SAMPLING)
    assert among_others[:count] == alone
