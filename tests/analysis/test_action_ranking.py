"""Who names the better next step: by hand, with ties on either side."""

import pytest

from vineppo.analysis.action_ranking import is_clear, pairwise, ranking_score, top1
from vineppo.analysis.truth_store import Truth


def truth(successes: int, rollouts: int = 256) -> Truth:
    return Truth(counts=((0, rollouts - successes), (1, successes)), tokens=0)


@pytest.mark.parametrize(
    ("predicted", "true", "right"),
    [
        ([0.1, 0.9, 0.5], [0.2, 0.6, 0.4], 1.0),
        ([0.9, 0.1, 0.5], [0.2, 0.6, 0.4], 0.0),
        # two or three tied at the top, one of them is the best
        ([0.5, 0.5, 0.1], [0.2, 0.6, 0.4], 1 / 2),
        ([0.5, 0.5, 0.5], [0.2, 0.6, 0.4], 1 / 3),
        # any of the truly best will do
        ([0.1, 0.9, 0.5], [0.6, 0.6, 0.4], 1.0),
        ([0.5, 0.5, 0.9], [0.6, 0.6, 0.4], 0.0),
    ],
)
def test_naming_the_best(predicted: list[float], true: list[float], right: float):
    assert top1(predicted, true) == pytest.approx(right)


def test_naming_the_better():
    assert pairwise((0.9, 0.6), (0.1, 0.2)) == 1
    assert pairwise((0.1, 0.6), (0.9, 0.2)) == 0
    assert pairwise((0.5, 0.6), (0.5, 0.2)) == 0.5


def test_shares_and_chances_by_hand():
    truths = [[truth(0), truth(128), truth(256)], [truth(200), truth(200), truth(100)]]
    score = ranking_score([[0.0, 0.5, 1.0], [0.0, 0.1, 0.9]], truths, ["a", "b"])
    assert score.top1 is not None
    # right, then wrong; chance is a third, then two thirds
    assert (score.top1.cases, score.top1.share) == (2, 0.5)
    assert score.top1.chance == pytest.approx(0.5)
    assert score.pairwise is not None
    # three pairs right; of the second state's the tied pair is left out and both others are wrong
    assert (score.pairwise.cases, score.pairwise.share) == (5, pytest.approx(3 / 5))
    assert score.top1_clear is not None
    assert score.top1_clear.cases == 1, "the second state has two best next steps"


def test_what_the_truth_cannot_tell_apart_is_no_clear_case():
    assert not is_clear([truth(130), truth(128), truth(0)])
    assert is_clear([truth(160), truth(128), truth(0)])
    score = ranking_score([[0.1, 0.2, 0.0]], [[truth(130), truth(128), truth(0)]], ["a"])
    assert score.top1 is not None
    assert (score.top1.cases, score.top1_clear) == (1, None)
    assert score.pairwise is not None
    assert score.pairwise_clear is not None
    assert (score.pairwise.cases, score.pairwise_clear.cases) == (3, 2)
    assert score.pairwise_clear.share == 1


def test_a_state_whose_next_steps_are_all_worth_the_same_is_no_case():
    score = ranking_score([[0.1, 0.2, 0.0]], [[truth(0)] * 3], ["a"])
    assert (score.top1, score.pairwise) == (None, None)
