"""What the loss is divided by, by hand."""

import pytest

from vineppo.learner.averages import token_weights


def weights(average, learning=(2, 4, 5), trajectories=(True, True, False)) -> list[float]:
    return token_weights(learning, trajectories, average, limit=10)


def test_by_hand():
    assert weights("tokens") == pytest.approx([1 / 6] * 3)
    assert weights("responses") == pytest.approx([1 / 4, 1 / 8, 1 / 6])
    assert weights("sums") == pytest.approx([1 / 2] * 3)
    assert weights("limit") == pytest.approx([1 / 20] * 3)


@pytest.mark.parametrize("average", ["tokens", "responses", "sums", "limit"])
def test_nothing_that_learns_is_no_division_by_zero(average):
    assert len(weights(average, (0, 0), (True, True))) == 2
    assert token_weights([3], [False], average, limit=10)


def test_responses_of_one_length_are_averaged_alike():
    same = {"learning": (5, 5), "trajectories": (True, True)}
    assert weights("tokens", **same) == weights("responses", **same) == pytest.approx([0.1, 0.1])
