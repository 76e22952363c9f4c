"""What the floor counts, against numbers worked out by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout_speed.floor import decode_work, floor, gated_shape, separate_bytes, shared_bytes, trunk_work
from rollout_speed.results import Roofs, Work
from rollout_speed.workload import Workload

# hidden 4, two heads of size 2, one of keys and values, MLP of 3, vocabulary 5, float32.
# A layer: Q 4x4, K 4x2, V 4x2, O 4x4, three of 4x3: 16 + 8 + 8 + 16 + 36 = 84 weights.
SHAPE = gated_shape(layers=2, hidden=4, intermediate=3, heads=2, key_value_heads=1, vocabulary=5, value_bytes=4)

# Two states of the first trajectory, one of the second; two rollouts from each.
WORKLOAD = Workload(
    trajectories=((0,) * 6, (1,) * 4), states=((3, 5), (2,)), rollouts=2, max_new_tokens=3, end_ids=(4,)
)


def test_shape():
    assert SHAPE.layer_weights == 168
    assert SHAPE.output_weights == 20
    assert SHAPE.weight_bytes == 752
    assert SHAPE.token_bytes == 32  # keys and values of 2 layers, 1 head of 2 numbers of 4 bytes
    assert SHAPE.attention == 32  # 2 layers, 2 heads, 2 numbers: multiplied and added, for scores and for values


def test_trunks_are_fed_once_up_to_their_longest_state():
    # 5 + 2 tokens; their attention 1+2+3+4+5 and 1+2 pairs; logits of 3 states.
    assert trunk_work(SHAPE, WORKLOAD.states) == Work(
        bytes=752 + 7 * 32, operations=2 * 168 * 7 + 32 * (15 + 3) + 2 * 20 * 3
    )


def test_a_decode_step():
    # (prefix, length) of each rollout; at step 2 those of length 3 still decode: prefixes 5 and 3, and 2.
    rollouts = [[(3, 2), (3, 3), (5, 3), (5, 1)], [(2, 1), (2, 3)]]
    # Trunks are read to 5 and 2. Three branches: one token read, one written, each.
    # Attention: 5 + 2, 3 + 2 and 2 + 2 pairs.
    assert decode_work(SHAPE, rollouts, step=2) == Work(
        bytes=752 + (5 + 2 + 3 * 2) * 32, operations=2 * 188 * 3 + 32 * (7 + 5 + 4)
    )


def test_a_trajectory_whose_rollouts_are_over_is_not_read():
    assert decode_work(SHAPE, [[(9, 1)], [(2, 2)]], step=1).bytes == 752 + (2 + 1) * 32


def test_first_tokens_come_without_decode():
    assert floor(SHAPE, WORKLOAD, [1] * 6) == trunk_work(SHAPE, WORKLOAD.states)


def test_the_whole_is_trunks_and_every_step():
    lengths = [2, 3, 3, 1, 1, 3]
    by_hand = [[(3, 2), (3, 3), (5, 3), (5, 1)], [(2, 1), (2, 3)]]
    steps = [decode_work(SHAPE, by_hand, step) for step in (1, 2)]
    assert floor(SHAPE, WORKLOAD, lengths) == trunk_work(SHAPE, WORKLOAD.states) + steps[0] + steps[1]


@given(st.lists(st.integers(1, 3), min_size=6, max_size=6), st.integers(0, 5))
def test_a_longer_rollout_needs_no_less(lengths: list[int], which: int):
    longer = [length + (place == which) for place, length in enumerate(lengths)]
    before, after = floor(SHAPE, WORKLOAD, lengths), floor(SHAPE, WORKLOAD, longer)
    assert after.bytes > before.bytes
    assert after.operations > before.operations


def test_memory_held():
    lengths = [2, 3, 3, 1, 1, 3]
    assert shared_bytes(SHAPE, WORKLOAD, lengths) == 32 * (5 + 2 + 13)
    assert separate_bytes(SHAPE, WORKLOAD, lengths) == 32 * (2 * 3 + 2 * 5 + 2 * 2 + 13)


def test_the_larger_time_binds():
    roofs = Roofs(bandwidth=10.0, speed=100.0, device="")
    assert roofs.seconds(Work(bytes=50, operations=400)) == pytest.approx(5.0)
    assert roofs.seconds(Work(bytes=50, operations=600)) == pytest.approx(6.0)


def test_half_the_bytes_in_half_precision():
    half = replace(SHAPE, value_bytes=2)
    full, small = floor(SHAPE, WORKLOAD, [3] * 6), floor(half, WORKLOAD, [3] * 6)
    assert full.bytes == 2 * small.bytes
    assert full.operations == small.operations
