"""No text upsets the reader, equality is symmetric, and what is equal evaluates to the same number."""

import cmath

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vineppo.tasks.judge.answers.forms import Form, UnreadableError, Value
from vineppo.tasks.judge.answers.reading import read
from vineppo.tasks.judge.answers.rules import same
from vineppo.tasks.judge.answers.show import show
from vineppo.tasks.judge.verdict import judge, same_answer, try_read

SNIPPETS = r"""
0 1 2 3 17 0.5 1.25 1,000 x y t AB a_1 \pi e i \infty \frac{1}{2} \frac12 \sqrt{2} \sqrt[3]{5} + - \pm * / ^ ^2
^{10} ! % \% ^\circ ( ) [ ] \{ \} { } | , ; : = < > \le \ne \in \cup \approx \equiv \pmod{4} \text{cm} \text{or} and or
\text{for all} \mathbb{R} \sin \ln \log \cdot \left( \right) \begin{pmatrix} \end{pmatrix} & \\ \mid \boxed{ $ . ?
Monday p.m. _8 ² √ π ° \sum_{k=1}^{3} \binom{4}{2} \foo \lfloor \rfloor
"""
PIECES = st.sampled_from(SNIPPETS.split())
SALAD = st.lists(PIECES, max_size=12).flatmap(
    lambda pieces: st.sampled_from(["", " "]).map(lambda gap: gap.join(pieces))
)

NUMBERS = st.one_of(
    st.integers(0, 50).map(str),
    st.tuples(st.integers(1, 30), st.integers(1, 30)).map(lambda pair: rf"\frac{{{pair[0]}}}{{{pair[1]}}}"),
    st.sampled_from(["0.5", "1.25", r"\pi", "e", r"\sqrt{2}", r"\sqrt[3]{5}"]),
)


def grow(inner):
    pairs = st.tuples(inner, inner)
    return st.one_of(
        pairs.map(lambda pair: f"({pair[0]} + {pair[1]})"),
        pairs.map(lambda pair: f"({pair[0]} - {pair[1]})"),
        pairs.map(lambda pair: rf"({pair[0]} \cdot {pair[1]})"),
        pairs.map(lambda pair: rf"\frac{{{pair[0]}}}{{{pair[1]}}}"),
        inner.map(lambda one: f"({one})^2"),
        inner.map(lambda one: rf"\sqrt{{{one}}}"),
        inner.map(lambda one: rf"\sin({one})"),
        inner.map(lambda one: f"-{one}"),
    )


EXPRESSIONS = st.recursive(NUMBERS, grow, max_leaves=6)


def form_of(text: str) -> Form | None:
    return try_read(text).form


@given(st.text(max_size=60))
def test_no_text_upsets_it(text):
    judge(text, "5")
    judge("5", text)


@settings(max_examples=300)
@given(SALAD, SALAD)
def test_no_salad_of_latex_upsets_it_and_equality_is_symmetric(left, right):
    assert same_answer(left, right) == same_answer(right, left)
    judge(left, right)


@given(SALAD)
def test_what_can_be_read_equals_itself_and_can_be_shown(text):
    try:
        form = read(text)
    except UnreadableError:
        return
    assert same(form, form)
    assert show(form)


@settings(max_examples=300)
@given(EXPRESSIONS, EXPRESSIONS)
def test_equal_expressions_evaluate_to_the_same_number(left, right):
    numbers = [independent_value(text) for text in (left, right)]
    assume(None not in numbers)
    ours, theirs = (number for number in numbers if number is not None)
    equal = abs(ours - theirs) <= 1e-9 * max(abs(ours), abs(theirs), 1)
    if same_answer(left, right):
        assert equal, (left, right, ours, theirs)


@settings(max_examples=300)
@given(EXPRESSIONS, NUMBERS)
def test_what_is_rewritten_stays_equal(text, more):
    value = independent_value(text)
    assume(value is not None and abs(value) > 1e-6)  # nothing is left of a zero under a root but noise
    rewritten = rf"{text} + {more} - {more}"
    assume("too large to compute" not in judge(text, rewritten).rule)  # refused, and said so
    assert same_answer(text, rewritten)
    assert same_answer(text, f"({text})")


@given(EXPRESSIONS)
def test_one_more_is_different(text):
    value = independent_value(text)
    assume(value is not None and abs(value) < 1e6)
    assert not same_answer(text, f"{text} + 1")
    assert not same_answer(text, f"{text} + x")


def independent_value(text: str) -> complex | None:
    """By Python's own parser: nothing of the reader's is used. None where it has no value, or none that floats hold."""
    python = (
        text.replace(r"\cdot", "*").replace("^2", "**2").replace(r"\pi", "PI").replace(r"\sqrt[3]{5}", "(5**(1/3))")
        .replace(r"\sqrt", "root").replace(r"\sin", "sine").replace(r"\frac", "over").replace("}{", ", ")
        .replace("{", "(").replace("}", ")")
    )  # fmt: skip
    names = {
        "PI": cmath.pi,
        "e": cmath.e,
        "root": cmath.sqrt,
        "sine": cmath.sin,
        "over": lambda top, bottom: top / bottom,
    }
    try:
        value = complex(eval(python, {"__builtins__": {}}, names))
    except (ArithmeticError, ValueError):
        return None
    return value if abs(value) < 1e12 else None


def test_the_independent_value_is_right():
    assert independent_value(r"\frac{(\sqrt{4} + 1)}{2}") == 1.5
    assert isinstance(form_of(r"\frac{(\sqrt{4} + 1)}{2}"), Value)
