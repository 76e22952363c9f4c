"""The text before a stop string."""

import pytest

from vineppo.stops import before_stop, pieces_before_stop


@pytest.mark.parametrize(
    ("stop", "before"),
    [
        ((), "so 29\n\n\nProblem: x"),
        (("\n\n\nProblem:",), "so 29"),
        (("Problem:", "\n\n"), "so 29"),
        (("x", "blem"), "so 29\n\n\nPro"),
        (("y",), "so 29\n\n\nProblem: x"),
    ],
)
def test_a_text_goes_to_where_the_first_stop_string_begins(stop: tuple[str, ...], before: str):
    assert before_stop("so 29\n\n\nProblem: x", stop) == before


def test_pieces_join_to_it_and_those_behind_are_empty():
    pieces = ["so 2", "9\n", "\n\n", "Problem:"]
    assert pieces_before_stop(pieces, ("\n\n\nProblem:",)) == ["so 2", "9", "", ""]
    assert pieces_before_stop(pieces, ("none",)) == pieces
    assert pieces_before_stop(pieces, ()) == pieces
