"""What papers do with advantages: by hand, and that what has no credit gets none."""

from math import sqrt
from statistics import fmean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.credit.normalise import normalised
from vineppo.types import Branch, Completion, Credit, Finish

rewards = st.lists(st.sampled_from([0.0, 0.0, -1.0, 0.5, 2.0]), min_size=1, max_size=12)


def advantages(credits: list[Credit]) -> list[float]:
    return [advantage for credit in credits for advantage in credit.advantages]


def test_by_hand():
    credits = [Credit(advantages=(0.0, 3.0)), Credit(advantages=(-1.0, 0.0), standard_errors=(0.5, 0.0))]
    assert normalised(credits, "none") == credits
    assert advantages(normalised(credits, "scale")) == pytest.approx([0, 3 / sqrt(5), -1 / sqrt(5), 0])
    assert advantages(normalised(credits, "whiten")) == pytest.approx([0, 1, -1, 0])
    assert normalised(credits, "scale")[1].standard_errors == pytest.approx((0.5 / sqrt(5), 0))


@given(rewards, st.sampled_from(["none", "scale", "whiten"]))
def test_a_token_without_credit_stays_without(values: list[float], how):
    found = advantages(normalised([Credit(advantages=tuple(values))], how))
    assert [new == 0 for new, old in zip(found, values, strict=True) if old == 0] == [True] * values.count(0.0)


@given(rewards)
def test_whitened_credit_has_mean_zero_and_variance_one(values: list[float]):
    found = advantages(normalised([Credit(advantages=tuple(values))], "whiten"))
    credited = [new for new, old in zip(found, values, strict=True) if old]
    if len(set(filter(None, values))) > 1:
        assert fmean(credited) == pytest.approx(0, abs=1e-6)
        assert pvariance(credited) == pytest.approx(1, abs=1e-4)
    else:
        assert found == pytest.approx([0] * len(found))


@given(rewards)
def test_scaled_credit_keeps_its_signs(values: list[float]):
    found = advantages(normalised([Credit(advantages=tuple(values))], "scale"))
    assert [(new > 0) - (new < 0) for new in found] == [(old > 0) - (old < 0) for old in values]


def test_what_a_mask_leaves_out_does_not_count():
    credits = [Credit(advantages=(2.0, 100.0), mask=(True, False)), Credit(advantages=(-2.0,))]
    assert advantages(normalised(credits, "scale"))[::2] == pytest.approx([1, -1])


def test_branches_are_scaled_like_what_they_left_and_never_shifted():
    completion = Completion(token_ids=(1, 0), logprobs=(-1.0, -1.0), finish=Finish.TERMINATED, policy_version=0)
    branch = Branch(position=0, completion=completion, advantages=(4.0, 0.0))
    credits = [Credit(advantages=(3.0, 1.0), branches=(branch,))]
    (whitened,) = normalised(credits, "whiten")
    assert whitened.advantages == pytest.approx((1, -1))
    assert whitened.branches[0].advantages == pytest.approx((4, 0))
