import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.tasks.judge.extract import after_marker, last_box, read_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so $x = \boxed{5}$.", "5"),
        (r"\boxed{1} and then \boxed{2}", "2"),
        (r"\fbox{7}", "7"),
        (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\left\{ x \mid x > 0 \right.}", r"\left\{ x \mid x > 0 \right."),
        (r"\boxed {5}", "5"),
        (r"$\boxed 5$.", "5"),
        (r"$\boxed5.$", "5"),
        (r"\boxed{\boxed{5}}", "5"),
        ("\\boxed{\n  5\n}", "5"),
    ],
)
def test_the_last_box_is_read(text, answer):
    assert last_box(text) == answer


@pytest.mark.parametrize(
    "text", ["", "5", r"\boxed{5", r"\boxed{}", r"\boxed{ }", r"\boxed{1} \boxed{2", r"\boxedsomething{5}", r"\boxed"]
)
def test_no_box_or_no_balance_is_no_answer(text):
    assert last_box(text) is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [("A: 5", "5"), ("A: 4\nA:\n 5 apples \nand more", "5 apples"), ("5", None), ("A: 5\nA: ", None)],
)
def test_the_line_after_the_last_marker_is_read(text, answer):
    assert after_marker(text, "A:") == answer


def test_a_marker_takes_the_place_of_the_box():
    assert read_answer(r"\boxed{1} #### 2", "####") == "2"
    assert read_answer(r"#### 2 \boxed{1}", None) == "1"


@given(st.text(alphabet="{}\\ab5 "))
def test_a_balanced_group_is_read_back(inside):
    escaped = inside.replace("\\", "").replace("{", "\\{").replace("}", "\\}")
    assert last_box(f"\\boxed{{{escaped}}}") == (escaped.strip() or None)


@pytest.mark.parametrize("text", [r"\boxed{" * 200_000, r"\boxed" * 200_000, r"\boxed{" + "{}" * 500_000 + "}"])
def test_long_responses_are_read_in_linear_time(text):
    began = time.perf_counter()
    last_box(text)
    assert time.perf_counter() - began < 2
