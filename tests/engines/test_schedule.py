"""Which rows decode when: order, budget, and what a too small budget gives back."""

from collections import deque

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vineppo.engines.prefixes import maximal
from vineppo.engines.torch.forest import slots_of
from vineppo.engines.torch.ledger import Load, Prices
from vineppo.engines.torch.schedule import Budget, Row, in_order
from vineppo.engines.torch.trie import Trie, find_trunks
from vineppo.engines.torch.trunks import Piece, Trunk


def row(trunk: Trunk, cut: int, *, limit: int = 100, draw: int = 0) -> Row:
    return Row(
        request=cut,
        draw=draw,
        shares=1,
        prefix=trunk.tokens[:cut],
        trunk=trunk,
        seed=0,
        limit=limit,
        forbidden_first=(),
        keep=False,
    )


def test_a_rollout_is_expected_to_be_as_long_as_the_rest_of_its_trajectory():
    trunk = Trunk((1, 2, 3, 4, 5))
    assert row(trunk, 2).expected == 4  # three kept tokens follow, and the last one, which is never kept
    assert row(trunk, 2, limit=3).expected == 3
    assert row(trunk, 5).expected == 100, "a trunk that ends here says nothing"


def test_long_work_first_and_trunk_after_trunk():
    short, long = Trunk((1, 2, 3)), Trunk((4, 5, 6, 7, 8))
    rows = [row(short, 1), row(long, 4), row(short, 2), row(long, 1)]
    assert [(r.trunk, len(r.prefix)) for r in in_order(rows)] == [(long, 1), (long, 4), (short, 1), (short, 2)]


def test_the_budget_counts_padded_trunks_and_branches():
    trunks = [Trunk(tuple(range(10 * i, 10 * i + 10))) for i in range(3)]
    waiting = deque(row(trunk, 5) for trunk in trunks for _ in range(4))  # 6 tokens expected each
    taken = Budget(rows=100, tokens=10 + 4 * 6 + 5).take(waiting, [], 0)
    assert len(taken) == 4, "the second trunk needs 10 more, and there are 5"
    assert len(waiting) == 8
    assert len(Budget(rows=3, tokens=10**6).take(waiting, taken[:1], 0)) == 2, "three rows side by side, one is there"
    assert len(Budget(rows=100, tokens=1).take(waiting, [], 0)) == 1, "one row may always decode"


def test_outgrown_rows_are_given_back():
    trunk = Trunk(tuple(range(10)))
    rows = [row(trunk, 5) for _ in range(4)]
    assert Budget(rows=9, tokens=10 + 4 * 16).fitting(rows, 16) == 4
    assert Budget(rows=9, tokens=10 + 4 * 16 - 1).fitting(rows, 16) == 3
    assert Budget(rows=9, tokens=0).fitting(rows, 16) == 1


def test_a_stretch_that_stays_counts_until_no_row_decodes():
    """Of rounded shapes: 64 tokens of a trunk, and 8 rows of 32 columns; copied aside, what 2 rows write."""
    prices, trunk = Prices(rounded=True, room=16), Trunk(tuple(range(40)))
    load = Load(prices, Trie(max_kept=0))
    for _ in range(2):
        load.add(trunk, width=10, reserve=0)
    assert load.stretch == 64 + 8 * 32
    assert load.tokens == load.stretch + 2 * 10
    held = Load(prices, Trie(max_kept=0), held=1000)
    held.add(trunk, width=10, reserve=0)
    assert held.tokens == 1000 + 10
    budget = Budget(rows=9, tokens=5000, prices=prices)
    assert budget.most_held([], 0) == 5000
    waiting = deque(row(trunk, 30, limit=10, draw=draw) for draw in range(2))
    assert not Budget(rows=9, tokens=1009, prices=prices).take(waiting, [row(trunk, 30)], 0, held=1000)
    taken = Budget(rows=9, tokens=1009, prices=prices).take(waiting, [], 0, held=1000)
    assert len(taken) == 2, "what no row needs can be given back"


def a_trie_of_prompts() -> Trie:
    """Three that nobody uses: ten tokens in common, two of their own."""
    trie, start = Trie(max_kept=0, max_prompts=100), Piece(torch.zeros(2, 1, 10, 1))
    for own in (20, 21, 22):
        trie.remember((*range(10), own, 5), ((start, 10), (Piece(torch.zeros(2, 1, 2, 1)), 2)))
    return trie


@pytest.mark.parametrize(("tokens", "left"), [(24 + 16, 16), (24 + 15, 14), (24, 0), (1, 0)])
def test_prompts_that_nobody_uses_make_room_for_a_row(tokens: int, left: int):
    """Which needs 20 tokens of trunk and 4 of its own."""
    trie = a_trie_of_prompts()
    waiting = deque([row(Trunk(tuple(range(50, 70))), 20, limit=4)])
    assert len(Budget(rows=9, tokens=tokens, trie=trie).take(waiting, [], 0)) == 1
    assert trie.tokens == left


def test_prompts_stay_where_their_room_would_not_be_enough():
    trie, going = a_trie_of_prompts(), [row(Trunk(tuple(range(50, 70))), 20, limit=4)]
    waiting = deque([row(Trunk(tuple(range(70, 90))), 20, limit=4)])
    assert not Budget(rows=9, tokens=24 + 20, trie=trie).take(waiting, going, 0)
    assert trie.tokens == 16


def test_rows_that_decode_are_not_given_back_for_prompts():
    trie, trunk = a_trie_of_prompts(), Trunk(tuple(range(50, 70)))
    going = [row(trunk, 20, draw=draw) for draw in range(3)]
    assert Budget(rows=9, tokens=20 + 3 * 6 + 12, trie=trie).fitting(going, 6) == 3
    assert trie.tokens == 12


def test_what_is_known_of_a_trunk_and_what_trunks_share_counts_once():
    load = Load(Prices(prefilled=1), a_trie_of_prompts())
    load.add(Trunk((*range(10), 77, 78, 79)), width=0, reserve=0)
    assert load.tokens == 16 + 3 + 13 + 13, "held, made, side by side, and for the pass"
    load = Load(Prices(), Trie(max_kept=0))
    for own, rows in ((1, 2), (2, 1), (3, 1)):
        trunk = Trunk((*range(100), *[own] * own))
        for _ in range(rows):
            load.add(trunk, width=5, reserve=0)
    assert load.tokens == 100 + 3 * 3 + 4 * 5


prefixes = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5).map(tuple), min_size=1, max_size=12)


@given(prefixes)
def test_every_prefix_finds_a_trunk_that_continues_it(some: list[tuple[int, ...]]):
    found = find_trunks(some, Trie(max_kept=0))
    assert all(trunk.tokens[: len(prefix)] == prefix for prefix, trunk in found.items())
    assert {trunk.tokens for trunk in found.values()} == set(maximal(some))


def test_kept_trajectories_are_found_and_have_a_limit():
    kept = Trie(max_kept=7)
    copies: list[str] = []

    def copy(name: str):
        copies.append(name)
        return torch.zeros(2, 1, 1, 1)

    kept.keep((1, 2, 3), (), lambda: copy("first"))
    kept.keep((1, 2, 3), (), lambda: copy("again"))
    kept.keep((4,) * 5, (), lambda: copy("too much"))
    kept.keep((1, 3, 3, 3), (), lambda: copy("second"))
    assert copies == ["first", "second"]
    assert kept.covering((1, 2)) is kept.covering((1, 2, 3))
    assert kept.covering((1, 2, 4)) is None
    assert kept.covering((4,)) is None


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20))
def test_slots_and_places_are_inverse(groups: list[int]):
    slots, places = slots_of(np.array(groups), 4)
    assert [int(slots.flatten()[place]) for place in places] == list(range(len(groups)))
    assert [int(place) // slots.shape[1] for place in places] == groups
    assert slots.shape == (4, max(groups.count(g) for g in range(4)))
