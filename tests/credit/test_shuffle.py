"""The control arm keeps everything but who gets what."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from tabular import PLAIN, Tabular
from test_tree import scored

from vineppo.credit.shuffle import Dealt, shuffled
from vineppo.credit.vine import VineAssigner
from vineppo.types import Credit

OWN = scored((5, 6, 7, 0), (0.5,) * 4, (0, 1, 3, 4), 1.0)


@given(st.integers(0, 100))
def test_steps_swap_what_they_have(seed: int):
    dealt = shuffled(Credit(advantages=(1.0, 2.0, 2.0, 3.0)), OWN, random.Random(seed)).advantages
    assert dealt[1] == dealt[2]
    assert sorted((dealt[0], dealt[1], dealt[3])) == [1, 2, 3]


@given(st.integers(0, 100))
def test_tokens_swap_where_each_has_its_own(seed: int):
    own = (1.0, 2.0, 4.0, 3.0)
    assert Counter(shuffled(Credit(advantages=own), OWN, random.Random(seed)).advantages) == Counter(own)


def test_it_is_dealt_by_the_seed_and_not_always_the_same():
    policy = Tabular(PLAIN)
    group = policy.trajectories(6, seed=0)
    plain = VineAssigner(policy.environment(), rollouts=3, max_states=None, sampling=PLAIN)
    first, again, other = (Dealt(plain)(group, seed=seed) for seed in (1, 1, 2))
    assert [own.advantages for own in first] == [own.advantages for own in again]
    assert [own.values for own in first] == [own.values for own in plain(group, seed=1)]
    assert [own.advantages for own in first] != [own.advantages for own in other]
