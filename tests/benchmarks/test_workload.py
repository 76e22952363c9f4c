"""What is asked of the contenders, and what they must give back."""

from dataclasses import replace
from pathlib import Path

import pytest

from rollout_speed.contenders import generate, ours
from rollout_speed.names import Size, Variant
from rollout_speed.prepare import arithmetic_workload, random_workload
from rollout_speed.workload import Workload, read_workload
from tiny_models import tiny_model

SIZE = Size(trajectories=3, length=12, states=4, rollouts=2, new_tokens=5)
FIXED = Workload(
    trajectories=((1, 2, 3), (4, 5, 6, 7)), states=((1, 3), (2,)), rollouts=2, max_new_tokens=4, end_ids=()
)


def test_prefixes_and_their_number():
    assert FIXED.prefixes == [(1,), (1, 2, 3), (4, 5)]
    assert FIXED.total_rollouts == 6
    assert FIXED.longest == 7
    assert FIXED.first(1).prefixes == [(1,), (1, 2, 3)]


def test_written_and_read(tmp_path: Path):
    FIXED.write(tmp_path / "w.json")
    assert read_workload(tmp_path / "w.json") == FIXED


@pytest.mark.parametrize("lengths", [[4] * 5, [4] * 5 + [3], [4] * 5 + [5]])
def test_wrong_numbers_of_tokens_are_refused(lengths: list[int]):
    with pytest.raises(ValueError, match="rollouts"):
        FIXED.check(lengths)


def test_rollouts_that_stop_may_be_shorter_but_not_empty():
    stopping = replace(FIXED, end_ids=(9,))
    stopping.check([1, 2, 3, 4, 4, 4])
    with pytest.raises(ValueError, match="up to 4 tokens"):
        stopping.check([0, 2, 3, 4, 4, 4])


def test_random_states_lie_within_their_trajectory():
    workload = random_workload(tiny_model("llama"), Variant.FIXED, SIZE)
    assert [len(tokens) for tokens in workload.trajectories] == [12] * 3
    assert workload.total_rollouts == 3 * 4 * 2
    for states in workload.states:
        assert len(set(states)) == 4
        assert all(1 <= state <= 12 for state in states)


def test_the_arithmetic_policy_s_states_follow_its_prompts():
    workload = arithmetic_workload(Variant.STOPPING, replace(SIZE, new_tokens=16))
    assert workload.end_ids
    for tokens, states in zip(workload.trajectories, workload.states, strict=True):
        assert max(states) < len(tokens)
        assert not set(tokens[: max(states)]) & set(workload.end_ids)


@pytest.mark.parametrize("module", [ours, generate])
@pytest.mark.parametrize("variant", list(Variant))
def test_contenders_give_every_rollout_in_order(module, variant: Variant):
    model = tiny_model("llama")
    workload = replace(random_workload(model, Variant.FIXED, SIZE), end_ids=(1, 5) if variant == "stopping" else ())
    lengths = module.sampler(model, workload, rows=5)(workload, 0)
    workload.check(lengths)
    if variant == Variant.STOPPING:
        assert 1 < sum(lengths) / len(lengths) < 5
