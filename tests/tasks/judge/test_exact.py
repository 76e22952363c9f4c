import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.tasks.judge.exact import canonical, compare


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("5", "5"),
        ("5.", "5"),
        ("$5$", "5"),
        ("5.00", "5"),
        ("+5", "5"),
        ("\N{MINUS SIGN}5", "-5"),
        ("1,000", "1000"),
        ("1{,}000", "1000"),
        (r"1,\!000", "1000"),
        (r"10\,000", "10000"),
        (r"\$18", "18"),
        (r"\dfrac{1}{2}", r"\frac{1}{2}"),
        (r"\frac{1}{2}", "0.5"),
        (r"-\frac{1}{2}", "-1/2"),
        (r"\frac{-1}{2}", "-.5"),
        (r"\frac{2}{4}", "1/2"),
        (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\frac{\pi}{2})"),
        (r"\text{Evelyn}", "Evelyn"),
        (r"90^{\circ}", r"90^\circ"),
        (r"x^2 + 1", "x^2+1"),
        ("\N{RIGHT-TO-LEFT MARK}5\N{RIGHT-TO-LEFT MARK}", "5"),
    ],
)
def test_these_are_the_same(answer, gold):
    assert compare(answer, gold) is True
    assert compare(gold, answer) is True


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("5", "6"),
        ("5", "-5"),
        ("0.5", "0.51"),
        ("1/2", "1/3"),
        ("10000000000000000", "10000000000000001"),
        ("0.3", "1/4"),
    ],
)
def test_these_are_different(answer, gold):
    assert compare(answer, gold) is False
    assert compare(gold, answer) is False


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (r"\sqrt{4}", "2"),
        ("0.333333", "1/3"),
        (r"50\%", "0.5"),
        ("1/0", "0"),
        ("1e5", "100000"),
        ("9**9**9**9", "9"),
        (r"\leftarrow", r"\rightarrow"),
        (r"\sin x", "x"),
        ("1 2", "12"),
        ("4\x002", "42"),
        ("4\N{ZERO WIDTH SPACE}2", "42"),
        ("\N{ARABIC-INDIC DIGIT THREE}", "3"),
    ],
)
def test_these_take_algebra(answer, gold):
    assert compare(answer, gold) is None


def test_nothing_is_no_answer_even_where_nothing_is_gold():
    assert compare("$ $", "") is False


def test_a_space_that_separates_words_stays():
    assert canonical(r"\sin  x + 1") == r"\sin x+1"


@given(st.integers(), st.integers(min_value=1))
def test_fractions_compare_by_value(top, bottom):
    assert compare(rf"\frac{{{2 * top}}}{{{2 * bottom}}}", f"{top}/{bottom}") is True


@given(st.text(max_size=50), st.text(max_size=50))
def test_no_text_upsets_it_and_order_does_not_matter(left, right):
    assert compare(left, right) == compare(right, left)
