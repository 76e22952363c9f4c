import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.tasks.judge.extract import after_marker, boxed_answer, read_answer, without_thoughts


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so $x = \boxed{5}$.", "5"),
        (r"\fbox{7}", "7"),
        (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\left\{ x \mid x > 0 \right.}", r"\left\{ x \mid x > 0 \right."),
        (r"\boxed {5}", "5"),
        (r"$\boxed 5$.", "5"),
        (r"$\boxed5.$", "5"),
        (r"$\boxed A$", "A"),
        (r"\boxed{\boxed{5}}", r"\boxed{5}"),
        ("\\boxed{\n  5\n}", "5"),
        ("**\\boxed{5}**", "5"),
        ("`\\boxed{5}`", "5"),
        (r"\boxed{∞}", "∞"),
    ],
)
def test_the_box_is_read(text, answer):
    assert boxed_answer(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        r"\boxed{5",
        r"\boxed{}",
        r"\boxed{ }",
        r"\boxed{?}",
        r"\boxed{1} \boxed{2",
        r"\boxedsomething{5}",
        r"\boxed",
    ],
)
def test_no_box_or_no_balance_is_no_answer(text):
    assert boxed_answer(text) is None


@pytest.mark.parametrize(
    "after",
    [r"I have put it in \boxed as asked.", r"The answer stands in \boxed{}.", r"(in `\boxed{...}`)", r"\boxed{\ldots}"],
)
def test_a_box_that_is_only_mentioned_after_the_answer_changes_nothing(after):
    assert boxed_answer(rf"\boxed{{5}}. {after}") == "5"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{1} and then \boxed{2}", "1, 2"),
        (r"\boxed{5}, again \boxed{5}", "5"),
        (r"\boxed{0.5} or $\boxed{\frac{1}{2}}$", "0.5"),
        (r"\boxed{1}" + "".join(rf"\boxed{{{n}}}" for n in range(100)), None),
    ],
)
def test_several_boxes_are_a_list_of_what_differs(text, answer):
    assert boxed_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("A: 5", "5"),
        ("A: 4\nA:\n 5 apples \nand more", "5 apples"),
        ("5", None),
        ("A: 5\nA: ", None),
        ("**A:** 5", "5"),
        ("**A: 5**", "5"),
        ("**A:** **5**", "**5**"),
        ("`A: 5`", "5"),
    ],
)
def test_the_line_after_the_last_marker_is_read(text, answer):
    assert after_marker(text, "A:") == answer


def test_a_marker_takes_the_place_of_the_box():
    assert read_answer(r"\boxed{1} #### 2", "####") == "2"
    assert read_answer(r"#### 2 \boxed{1}", None) == "1"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"<think>maybe \boxed{1}</think> So \boxed{2}.", "2"),
        (r"maybe \boxed{1}</think> So \boxed{2}.", "2"),
        (r"\boxed{2} <think>or \boxed{1}", "2"),
        (r"<think>\boxed{1}", None),
        (r"<think>\boxed{1}</think>", None),
        (r"<Thinking>\boxed{1}</Thinking>\boxed{2}", "2"),
    ],
)
def test_thoughts_hold_no_answer(text, answer):
    assert read_answer(text, None) == answer


@given(st.text(alphabet="{}\\ab5 "))
def test_a_balanced_group_is_read_back(inside):
    escaped = inside.replace("\\", "").replace("{", "\\{").replace("}", "\\}")
    expected = escaped.strip() if any(character.isalnum() for character in escaped) else None
    assert boxed_answer(f"\\boxed{{{escaped}}}") == expected


@given(st.text(alphabet="<>/think ab\\boxed{}$"))
def test_no_response_upsets_it(text):
    read_answer(text, None)
    read_answer(text, "a")
    assert without_thoughts(text) in text


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed{" * 200_000,
        r"\boxed" * 200_000,
        r"\boxed{" + "{}" * 500_000 + "}",
        r"\boxed{1}" * 100_000,
        "<think>" * 200_000,
        "".join(rf"\boxed{{{n}}}" for n in range(100_000)),
    ],
)
def test_long_responses_are_read_in_linear_time(text):
    began = time.perf_counter()
    read_answer(text, None)
    assert time.perf_counter() - began < 2
