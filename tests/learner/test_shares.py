"""A minibatch shared out: every sample goes through the model once, in alike many passes everywhere."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from together import together
from vineppo.learner.batch import Batch
from vineppo.learner.passes import Passes
from vineppo.learner.shares import Share, per_sample, shares
from vineppo.processes import Processes
from vineppo.types import PromptAndResponse


def items(lengths: list[int]) -> list[PromptAndResponse]:
    return [PromptAndResponse(token_ids=(9,) + (1,) * length, prompt_length=1) for length in lengths]


def process(rank: int, count: int) -> Processes:
    return Processes(rank=rank, count=count)


LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=40)


@given(LENGTHS, st.integers(1, 5), st.integers(1, 7), st.data())
def test_every_chosen_sample_is_taken_once_by_one_process(lengths: list[int], count: int, size: int, data):
    chosen = data.draw(st.lists(st.sampled_from(range(len(lengths))), unique=True, min_size=1))
    parts = [
        list(shares(items(lengths), chosen, passes=Passes(rows=size), processes=process(r, count)))
        for r in range(count)
    ]
    assert sorted(index for own in parts for share in own if share.weight for index in share.indices) == sorted(chosen)
    assert len({len(own) for own in parts}) == 1
    for own in parts:
        assert [share.last for share in own] == [False] * (len(own) - 1) + [True]
        assert all(1 <= len(share.indices) <= size for share in own)


def test_three_samples_on_two_processes_by_hand():
    samples = items([5, 1, 3])
    assert list(shares(samples, [0, 1, 2], passes=Passes(rows=1), processes=process(0, 2))) == [
        Share(indices=[1], packed=False, weight=1.0, last=False),
        Share(indices=[0], packed=False, weight=1.0, last=True),
    ]
    # The other one has the middle sample, and repeats the shortest for nothing to keep step.
    assert list(shares(samples, [0, 1, 2], passes=Passes(rows=1), processes=process(1, 2))) == [
        Share(indices=[2], packed=False, weight=1.0, last=False),
        Share(indices=[1], packed=False, weight=0.0, last=True),
    ]


@given(LENGTHS, st.integers(1, 4), st.integers(1, 5))
def test_values_per_sample_are_the_same_whoever_made_them(lengths: list[int], count: int, size: int):
    samples = items(lengths)

    def lengths_of(batch: Batch) -> torch.Tensor:
        """The response length of each response token's row."""
        assert batch.attention_mask is not None
        return (batch.attention_mask.sum(1) - 1)[batch.rows].float()

    for found in together(count, lambda own: per_sample(lengths_of, samples, passes=Passes(rows=size), processes=own)):
        assert [values.tolist() for values in found] == [[float(length)] * length for length in lengths]
