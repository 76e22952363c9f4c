"""The house rules of docs/judge.md, one test each. Each pair is (gold answer, answer)."""

import pytest

from vineppo.tasks.judge.verdict import judge
from vineppo.types import Outcome


def right(gold: str, answer: str) -> bool:
    return judge(answer, gold).outcome is Outcome.CORRECT


def both(gold: str, answer: str) -> bool:
    """Right whichever is the gold one."""
    ways = {right(gold, answer), right(answer, gold)}
    assert len(ways) == 1, f"{gold} and {answer}: right in one direction only"
    return ways.pop()


def test_the_order_of_a_list_is_free_and_every_item_counts():
    assert both("144, 729", "729, 144")
    assert both("3, 4, 5", r"5, 4 \text{ and } 3")
    assert both(r"\{1,2,3\}", "3, 2, 1")
    assert not both("1, 2", "1, 2, 2")
    assert not both("0, 360", "360")
    assert both(r"\{1, 1, 2\}", r"\{2, 1\}"), "in a set an element counts once"
    assert not both(r"\{5\}", "5"), "a set of one is no number"


def test_the_order_of_a_tuple_is_kept():
    assert both("(3, 1)", r"\left( 3, 1 \right)")
    assert not both("(3, 1)", "(1, 3)")
    assert not both("(3, 1)", "3, 1")


def test_brackets_of_an_interval_count():
    assert not both("[0, 1)", "(0, 1)")
    assert not both("[1, 2]", "[2, 1]")
    assert both(r"(-\infty, 2) \cup (3, 5]", r"(3, 5] \cup (-\infty, 2)")


def test_an_interval_may_be_an_inequality():
    assert both("(3, 4]", r"3 < \lambda \leq 4")
    assert both(r"x \in [-2,7]", r"-2 \le x \le 7")
    assert both(r"\{x \mid x > 3\}", r"(3, \infty)")
    assert both(r"a \le -2 \text{ or } a = 1", r"(-\infty, -2] \cup \{1\}")
    assert both(r"x \ne 2", r"\mathbb{R} \setminus \{2\}")
    assert both(r"1 \le |z| \le 3", r"z \in [-3, -1] \cup [1, 3]")
    assert both(r"x \in \{1, 2\}", "2, 1")
    assert not both("|x| < 1", "(-1, 1]")
    assert not both(r"x < 3", r"y < 3")
    assert not both(r"\{x \mid x > 3\}", r"\{x \mid x < 3\}")


def test_percent_is_a_hundredth_and_may_be_left_out_where_the_gold_answer_has_it():
    assert both(r"50\%", "0.5")
    assert both(r"62.5\%", r"\dfrac{5}{8}")
    assert both(r"33.5\%", "33.5 pct")
    assert right(r"50\%", "50")
    assert not right("50", r"50\%")


def test_a_rounded_gold_answer_accepts_what_rounds_to_it():
    assert right("21.93", r"21 \frac{13}{14}")
    assert right(r"6.67\%", r"\frac{1}{15}")
    assert not right("21.93", r"21 \frac{12}{14}")
    assert not right("21.93", "21.929"), "another decimal is no exact answer"
    assert not right("0.3", r"\frac{1}{3}"), "two digits would accept too much"


def test_a_rounded_answer_has_six_digits():
    assert both(r"\frac{1}{3}", "0.333333")
    assert both(r"\sqrt{17}", "4.123105625617661")
    assert not right(r"\frac{1}{3}", "0.333")
    assert not right(r"\pi", "3.14")
    assert not both("0.333333", "0.333334"), "two decimals are compared exactly"


def test_degrees_may_be_left_out_and_may_be_radians():
    assert both(r"74^\circ", "74°")
    assert both(r"90^{\circ}", "90 degrees")
    assert both(r"18.8^\circ", "18.8")
    assert both(r"120^\circ", r"\frac{2\pi}{3}")
    assert not both(r"60^\circ", r"\frac{\pi}{6}")


def test_units_may_be_left_out_and_must_not_differ():
    assert both(r"5 \text{ cm}", "5")
    assert both(r"5 \text{ cm}", r"5 \mathrm{~centimeters}")
    assert both(r"\$18", r"18 \text{ dollars}")
    assert both(r"864 \mbox{ inches}^2", r"864 \text{ square inches}")
    assert not both(r"3 \text{ hours}", r"3 \text{ minutes}")
    assert not both(r"5 \text{ cm}", r"5 \text{ cm}^2")
    assert not both(r"9.81 \mathrm{m/s^2}", r"981 \mathrm{cm/s^2}"), "units are not converted"


def test_letters_are_no_units():
    assert not both("60t", "60")
    assert not both("3d", "3s")
    assert not both(r"\frac{1}{2}h", r"\frac{1}{2}")
    assert not right("60", r"60 \text{ x}")


@pytest.mark.parametrize("more", ["or 17", "not", "and 17", "is wrong", "apples per 17", "maybe", "dozen", ", no"])
def test_a_text_that_says_more_is_no_unit(more):
    assert not right("5", rf"5 \text{{ {more}}}")


def test_a_million_is_a_number():
    assert both(r"2.5 \text{ million}", "2500000")
    assert not both(r"5 \text{ million}", "5")


def test_a_label_may_be_left_out_and_must_not_differ():
    assert both("x = 5", "5")
    assert both("x = 5", "5 = x")
    assert both("w=16, d=3", "16, 3")
    assert both("w=16, d=3", "d=3, w=16")
    assert both("(16, 3)", "w=16, d=3")
    assert not both("(16, 3)", "d=3, w=16"), "a tuple has an order"
    assert both(r"y = \pm 2x", "y = 2x, y = -2x")
    assert not both(r"y = \pm 2", "x = 2, x = -2")
    assert not both("w=16, d=3", "d=16, w=3")
    assert not both("x = 5", "y = 5")
    assert both(r"\text{Area} = 5", "5")
    assert both("f(x) = x^2", "f(t) = t^2")
    assert both("f(x) = x + 1", "x + 1")
    assert not both("f(x) = 5", "5"), "a constant function is no number"


@pytest.mark.parametrize(
    "relation",
    ["x + 1 = 26", "2x = 26", "x^2 = 26", "25 = 26", "x < 26", r"x \ne 26", "26 = x = 27", r"x \equiv 26 \pmod{30}"],
)
def test_any_other_relation_is_no_value(relation):
    assert not both("26", relation)


def test_a_calculation_with_its_result_is_the_result_where_it_holds():
    assert both("1000", "10^3 = 1000")
    assert both(r"\frac{\sqrt{3}}{3}", r"\frac{\sqrt{3}}{3} \approx 0.577")
    assert not both("1000", "10^2 = 1000")
    assert not both(r"\frac{1}{3}", r"\frac{1}{3} \approx 1.3")


def test_equations_are_the_same_where_one_is_a_multiple_of_the_other():
    assert both("x^2+y^2=1", "1-x^{2}-y^{2}=0")
    assert both("y = 2x", "4x - 2y = 0")
    assert not both("x^2 + 1 = 0", "x^2 + 2 = 0"), "no real roots, and yet different"
    assert not both("x^2 = 4", "x = 2")


def test_a_column_is_a_tuple_and_a_row_is_not():
    assert both(r"\begin{pmatrix} -7 \\ 16 \end{pmatrix}", "(-7, 16)")
    assert both(r"\begin{pmatrix} -7 \\ 16 \end{pmatrix}", r"\begin{bmatrix} -7 \\ 16 \end{bmatrix}")
    assert not both(r"\begin{pmatrix} 1 & 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}")
    assert not both(r"\begin{pmatrix} 1 & 2 \end{pmatrix}", "(1, 2)")


def test_a_domain_at_the_end_is_passed_over():
    assert both("f(x) = 1", r"f(x) = 1 \text{ for all } x \in \mathbb{Q}_{>0}")
    assert both(r"\frac{\pi}{2} + k\pi", r"\frac{\pi}{2} + k\pi, k \in \mathbb{Z}")
    assert both(r"\frac{\pi}{2} + k\pi", r"\frac{\pi}{2} + k\pi (k \in \mathbb{Z})")
    assert not right("5", r"5 \text{ for all but } 17")


def test_a_choice_is_its_letter():
    assert both("E", r"\text{(E)}")
    assert both("E", "E: the fifth")
    assert both("C", "C) 12")
    assert not both("12", "C) 12")
    assert not right("C", "C) 12 or D) 13")
    assert not right("C", "(C) ?")
    assert not right("C", r"(C) \text{ apples per } 17")
    assert not both("A", "a")


def test_words_are_compared_as_words_and_letters_do_not_commute():
    assert both(r"\text{Monday}", "monday.")
    assert both(r"\text{no solution}", "no solution")
    assert not both("ABCD", "BADC")
    assert not both(r"\text{odd}", "dod")
    assert both("2xy", "2yx"), "in an expression they are a product"


def test_mixed_numbers_are_sums():
    assert both("8/3", "2 2/3")
    assert both("918.5", r"918\frac{1}{2}")
    assert both("6", "2(3)")
    assert not both("1", "1 1/2")
    assert not both(r"\frac{4}{3}", r"2\frac{2}{3}")
    assert not right("5", r"2\frac{5}{2}"), "a sum or a product?"


def test_thousands_have_commas_or_spaces_of_three_digits():
    assert both("12500", "12 500")
    assert both("12500", r"12,\!500")
    assert both("1234567", "1,234,567")
    assert not both("100200", "100, 200")
    assert both("144,729", "729, 144"), "without spaces it may be a list"
    assert not both("512", "12 500")
    assert not both("12", "1,23")


def test_bases_count():
    assert both("2516_8", "2516_{8}")
    assert not both("2516_8", "2516_9")
    assert not both("2516_8", "2516")
    assert not both("2516_8", "1358"), "the question asked for digits"


def test_times_of_day_have_their_half():
    assert both(r"6:40 \text{ p.m.}", "6:40 PM")
    assert not both(r"6:40 \text{ p.m.}", r"6:40 \text{ a.m.}")
    assert not both("12:00", "1:00")


def test_ratios_may_be_cancelled():
    assert both("2:3", "4:6")
    assert both("2:1", "2")
    assert not both("3:4", "4:3")


def test_either_sign_is_a_list_of_two():
    assert both(r"\pm \sqrt{3}", r"\sqrt{3}, -\sqrt{3}")
    assert both(r"\frac{-1 \pm \sqrt{13}}{4}", r"\frac{-1 + \sqrt{13}}{4}, \frac{-1 - \sqrt{13}}{4}")
    assert not both(r"\pm 26", "26")


def test_congruences_are_compared_modulo_their_modulus():
    assert both(r"x \equiv 1 \pmod{4}", r"x \equiv 5 \pmod 4")
    assert not both(r"x \equiv 1 \pmod{4}", r"x \equiv 1 \pmod{7}")


def test_small_and_large_numbers_are_compared_relatively():
    assert not both(r"\frac{1}{2004!}", r"\frac{1}{2006!}")
    assert not both(r"6.63 \times 10^{-34}", r"5 \times 10^{-20}")
    assert not both("3^{2007}", "3^{2007} + C")
    assert not both(r"\sqrt{2}^{1000}", r"\sqrt{2}^{1000} + 1")
    assert both("1e-05", "0.00001")


def test_a_logarithm_without_base_is_of_no_base():
    assert both(r"\frac{\log 8}{\log 2}", "3")
    assert not both(r"\log 100", "2")
    assert not both(r"\log 2", r"\ln 2")


def test_unicode_markdown_and_plain_functions_are_other_spellings():
    assert both("73", "**73**")
    assert both("-5", "\N{EN DASH}5")
    assert both(r"10 - 2\sqrt{5}", "10 - 2√5")
    assert both("x^2", "x²")
    assert both(r"\frac{\pi}{2}", "pi/2")
    assert both("e^{16} - 1", "-1 + exp(16)")
    assert both(r"\infty", "∞")
    assert both("-1", "i^2")


@pytest.mark.parametrize(
    "answer",
    [r"\foo 5", "5?", "5 6", r"17 \Rightarrow 5", "3? 4? 5", r"5 \text{ cm}, 7 \text{ cm}", "{}", "x5", "5x", "5...",
     r"5 \text{, no, 8}", "the answer is 5", r"\text{not } 5", r"x = 17 = 5", "(5", "5)", "[5]", r"5 \cupdot 6"],
)  # fmt: skip
def test_what_is_not_understood_to_its_end_is_not_paid(answer):
    assert not both("5", answer)
