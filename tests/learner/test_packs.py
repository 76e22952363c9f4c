"""Token trees by hand, and what any samples have of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vineppo.attending.trees import merge
from vineppo.config.packing import costs_of_shape
from vineppo.learner.packable import costs_of
from vineppo.learner.packs import count_nodes, cut
from vineppo.learner.passes import Passes
from vineppo.policy import load_policy
from vineppo.settings.model_shape import find_shape
from vineppo.settings.operations import PACK_OWN, ROWS_OWN, Costs, block_size
from vineppo.types import PromptAndResponse


def sample(*token_ids: int, prompt_length: int = 1) -> PromptAndResponse:
    return PromptAndResponse(token_ids=token_ids, prompt_length=prompt_length)


def test_a_pack_by_hand():
    #  5 - 6 - 7 - 8        a trajectory
    #        \ 9 - 9        a branch that left it after two tokens
    #  4 - 6                another question
    pack = merge([(5, 6, 7, 8), (4, 6), (5, 6, 9, 9), (5, 6, 7)])
    assert pack.token_ids.tolist() == [4, 6, 5, 6, 7, 8, 9, 9]
    assert pack.depths.tolist() == [0, 1, 0, 1, 2, 3, 2, 3]
    assert pack.ends.tolist() == [2, 2, 8, 8, 6, 6, 8, 8]
    assert [path.tolist() for path in pack.paths] == [[2, 3, 4, 5], [0, 1], [2, 3, 6, 7], [2, 3, 4]]


SAMPLES = st.lists(
    st.lists(st.integers(0, 2), min_size=2, max_size=9).map(lambda tokens: sample(*tokens)), min_size=1, max_size=12
)


@settings(max_examples=30)
@given(SAMPLES)
def test_each_distinct_prefix_is_one_node(samples: list[PromptAndResponse]):
    pack = merge([own.token_ids for own in samples])
    prefixes = {own.token_ids[:stop] for own in samples for stop in range(1, len(own.token_ids) + 1)}
    assert len(pack.token_ids) == len(prefixes) == count_nodes(samples)
    for own, path in zip(samples, pack.paths, strict=True):
        assert pack.token_ids[path].tolist() == list(own.token_ids)
        assert pack.depths[path].tolist() == list(range(len(own.token_ids)))
        # Ancestors, as attention finds them: whoever stands before a node and ends after it.
        last = path[-1]
        assert [node for node in range(last + 1) if pack.ends[node] > last] == path.tolist()


@settings(max_examples=30)
@given(SAMPLES, st.integers(1, 30), st.integers(1, 3))
def test_packs_hold_each_sample_once_and_keep_to_the_limit(samples: list[PromptAndResponse], limit: int, multiple: int):
    packs = cut(samples, range(len(samples)), limit=limit, multiple=multiple)
    assert sorted(index for pack in packs for index in pack) == list(range(len(samples)))
    for pack in packs:
        assert len(pack) == 1 or count_nodes([samples[index] for index in pack]) <= limit


def test_packs_are_even():
    # Filled one after the other, packs of 39 tokens would hold three samples and one.
    samples = [sample(*range(start, start + 10)) for start in (0, 100, 200, 300)]
    assert cut(samples, range(4), limit=39) == [[0, 1], [2, 3]]
    assert cut(samples, range(4), limit=1000, multiple=4) == [[0], [1], [2], [3]]


def test_blocks_by_hand():
    assert block_size(nodes=1000, depth=300) == 150
    assert block_size(nodes=1000, depth=20) == 64
    assert block_size(nodes=40, depth=20) == 40


def test_operations_by_hand():
    costs = Costs(token=100, pair=1, layers=2)
    # Two passes: rows of 2, 3 and of 5, 5 tokens; the shorter one of the first two is padded.
    assert costs.of_rows([5, 2, 5, 3], rows=2) == 2 * 3 * (100 + 3) + 2 * 5 * (100 + 5) + 2 * 2 * ROWS_OWN
    # One block of ten nodes, each of which meets at most five ancestors and ten of its block.
    assert costs.of_pack(10, depth=5) == 10 * 100 + 10 * 15 + 2 * PACK_OWN


BUNDLED = Costs(token=2 * 4 * (4 * 96 * 96 + 3 * 96 * 256), pair=4 * 4 * 96, layers=4)


@pytest.mark.parametrize(
    ("prompt", "response", "samples", "rows", "pack", "packed"),
    [
        # Measured, rows' seconds over the pack's: 0.91, 1.02, 1.26, 1.60 (benchmarks/RESULTS.md).
        (20, 20, 2, 80 * (884_736 + 40 * 1536) + 96e6, 60 * (884_736 + 100 * 1536) + 128e6, False),
        (20, 40, 4, 240 * (884_736 + 60 * 1536) + 96e6, 192 * (124 * 1536) + 180 * 884_736 + 128e6, True),
        (40, 20, 4, 240 * (884_736 + 60 * 1536) + 96e6, 128 * (124 * 1536) + 120 * 884_736 + 128e6, True),
        (200, 30, 8, 1840 * (884_736 + 230 * 1536) + 96e6, 460 * (345 * 1536) + 440 * 884_736 + 128e6, True),
    ],
)
def test_the_choice_for_bundled_policies_by_hand(prompt, response, samples, rows, pack, packed):
    fresh = iter(range(100_000))
    shared = [next(fresh) for _ in range(prompt)]
    own = [sample(*shared, *(next(fresh) for _ in range(response)), prompt_length=prompt) for _ in range(samples)]
    assert BUNDLED.of_rows([prompt + response] * samples, rows=16) == rows
    assert BUNDLED.of_pack(count_nodes(own), depth=prompt + response) == pack
    assert Passes(costs=BUNDLED).deal(own, range(samples)).packed is packed is (pack < rows)


@pytest.mark.parametrize("name", ["arithmetic", "arithmetic_mixed", "registers", "word_problems"])
def test_what_bundled_policies_are_counted_with(name: str):
    shape = find_shape(f"bundled:{name}")
    assert not isinstance(shape, str)
    assert costs_of(load_policy(f"bundled:{name}", device="cpu").model, context=64) == BUNDLED
    forecast = costs_of_shape(shape)  # counts the norms, too
    assert (forecast.pair, forecast.layers) == (BUNDLED.pair, BUNDLED.layers)
    assert forecast.token == pytest.approx(BUNDLED.token, rel=0.01)


def test_samples_are_packed_where_that_takes_fewer_operations():
    shared = [sample(1, 2, 3, 4, 5, end) for end in (6, 7)]  # 7 nodes instead of 12
    apart = [sample(start, 2, 3, 4, 5, 6) for start in (1, 7)]
    large, attending = Costs(token=100, pair=1, layers=0), Costs(token=0, pair=1, layers=0)
    for costs, packed in ((large, True), (attending, False), (None, False)):
        assert Passes(costs=costs).deal(shared, range(2)).packed is packed
    assert not Passes(costs=large).deal(apart, range(2)).packed
