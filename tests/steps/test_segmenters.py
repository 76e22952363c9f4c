"""Each segmenter by hand; lines are in test_lines_and_pieces."""

from math import log

import pytest
from small_responses import characters, response, steps_of

from vineppo.steps import Delimiter, Math, Tokens, Uncertain
from vineppo.steps.uncertain import cutpoints

# --- delimiter, tokens --------------------------------------------------------------------------------------------


def test_delimiters_end_steps_and_blanks_between_them_open_none():
    assert characters(Delimiter(), "\n\na\nb\n\nc\n\n\n\nd\n\n") == ["\n\na\nb\n\n", "c\n\n\n\n", "d\n\n"]
    assert characters(Delimiter("|"), "a|b||c") == ["a|", "b||", "c"]


def test_a_delimiter_is_text_and_no_pattern():
    assert characters(Delimiter("."), "ab.c") == ["ab.", "c"]


def test_tokens_are_counted():
    assert steps_of(Tokens(2), ["a", "b", "c", "d", "e"]) == ["ab", "cd", "e"]
    assert steps_of(Tokens(9), ["a", "b"]) == ["ab"]


# --- uncertain ---------------------------------------------------------------------------------------------------


def test_a_step_begins_at_the_first_uncertain_token_and_then_at_every_nth():
    chances = [0.95, 0.5, 0.99, 0.8, 0.1, 1.0, 0.89, 0.2, 0.95]
    logprobs = [log(chance) for chance in chances]
    assert cutpoints(logprobs, 0.9) == [1, 3, 4, 6, 7]
    trajectory = response(range(9), logprobs=logprobs)
    assert Uncertain(0.9, every=2)(trajectory, [""] * 9) == (0, 1, 4, 7, 9)
    assert Uncertain(0.9, every=1)(trajectory, [""] * 9) == (0, 1, 3, 4, 6, 7, 9)
    assert Uncertain(0.9, every=5)(trajectory, [""] * 9) == (0, 1, 9)


def test_a_cutpoint_at_the_start_opens_no_empty_step():
    assert Uncertain(0.9, every=1)(response(range(2), logprobs=[log(0.1), 0.0]), ["", ""]) == (0, 2)


def test_a_response_without_doubt_is_one_step():
    assert Uncertain()(response(range(3)), ["", "", ""]) == (0, 3)


# --- math --------------------------------------------------------------------------------------------------------


def test_sentences_and_lines_are_steps():
    text = "There are three apples here. Then two more are bought.\nIn the end there are five."
    assert characters(Math(), text) == [
        "There are three apples here.",
        " Then two more are bought.",
        "\nIn the end there are five.",
    ]


def test_short_pieces_join_what_follows_and_the_last_what_precedes():
    assert characters(Math(), "We see.\n\nThe answer is now plain.\n\nDone.") == [
        "We see.\n\nThe answer is now plain.\n\nDone."
    ]
    assert characters(Math(shortest=5), "We see.\n\nThe answer is now plain.\n\nDone.") == [
        "We see.",
        "\n\nThe answer is now plain.",
        "\n\nDone.",
    ]


def test_full_stops_of_numbers_initials_and_formulas_end_nothing():
    text = "By Theorem 2.5 of J. Smith we get $x. Y$ and 3.14 as wanted"
    assert characters(Math(), text) == [text]


def test_a_formula_that_ends_in_a_full_stop_ends_a_step():
    assert characters(Math(), "We get \\[x = 3.\\]Then the rest is easily seen.") == [
        "We get \\[x = 3.\\]",
        "Then the rest is easily seen.",
    ]
    assert characters(Math(), "We get \\[x = 3,\\]so the rest is easily seen.") == [
        "We get \\[x = 3,\\]so the rest is easily seen."
    ]


def test_an_environment_is_cut_at_its_lines_and_its_opening_is_no_step():
    text = "\\begin{align*}\na &= b + c \\\\\n&= d\n\\end{align*}"
    assert characters(Math(), text) == ["\\begin{align*}\na &= b + c \\\\", "\n&= d", "\n\\end{align*}"]


def test_a_long_sentence_is_halved_at_the_comma_nearest_to_its_middle():
    left = "Since the first of the two numbers, which is larger, was given to us"
    right = " we can find the other one, as it is their difference that matters here"
    assert characters(Math(), f"{left},{right}") == [f"{left},", right]
    assert characters(Math(longest=None), f"{left},{right}") == [f"{left},{right}"]


def test_a_long_sentence_without_commas_is_halved_before_what_and_joins():
    left = "The first of the two numbers that we are asked for is equal to eleven and"
    right = " its partner in the pair must then be as large as thirteen minus two"
    assert characters(Math(), left + right) == [left, right]


def test_commas_inside_formulas_do_not_count_as_pauses():
    text = "We write $" + ",".join("abcdefghijklmnopqrstuvwxyz" * 3) + "$ for short"
    assert characters(Math(), text) == [text]


def test_a_long_formula_is_halved_at_its_equals_sign():
    left, right = "\\[" + "x" * 60 + " =", " " + "y" * 60 + "\\]"
    assert characters(Math(), left + right) == [left, right]


def test_what_never_closes_is_text():
    assert characters(Math(), "It costs $5 in the shop. There is no other dollar.") == [
        "It costs $5 in the shop.",
        " There is no other dollar.",
    ]


@pytest.mark.parametrize(
    "hostile", ["$", "\\(", "\\[", "\\begin{a}", "\\end{a}\\begin{b}", "[asy]", ", ", "= ", ". A", "\n"]
)
def test_hostile_responses_take_no_longer_than_they_are_long(hostile):
    # 300,000 characters: anything quadratic would take minutes.
    text = hostile * (300_000 // len(hostile))
    assert "".join(characters(Math(), text)) == text
