import json
import random
import time
from pathlib import Path

import pytest

from vineppo.tasks.judge.answers.numeric import evaluate
from vineppo.tasks.judge.extract import boxed_answer
from vineppo.tasks.judge.mathematics import MathJudge
from vineppo.tasks.judge.verdict import MAX_ANSWER, judge, try_read
from vineppo.types import Outcome

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
needs_math = pytest.mark.skipif(not (DATA / "math").is_dir(), reason=f"no MATH data at {DATA}")
needs_pairs = pytest.mark.skipif(not (DATA / "judge").is_dir(), reason=f"no labelled pairs at {DATA}")

BUSY = 3.0
"""Seconds for one verdict on a machine that is busy with other things; on a quiet one none takes a twentieth."""

BOMBS = [
    "9^{9^{9^{9}}}",
    "1000000000!",
    "(10^{10})!",
    r"\sum_{n=1}^{10^{12}} \frac{1}{n^n}",
    r"\sum_{k=1}^{200}\sum_{j=1}^{200}\sum_{i=1}^{200} k",
    r"\binom{10^9}{5\cdot 10^8}",
    "2^{2^{2^{2^{2^{2}}}}}",
    "(x+1)^{1000000}",
    "(" * 300 + "1" + ")" * 300,
    r"\{" + ",".join(f"{99_999 - n}!" for n in range(60)) + r"\}",
    r"1\frac{" * 28 + "1" + "}{2}" * 28,
    "*".join(["9999^{9999}"] * 80),
    r"\sin x+" * 120 + "1",
    "-" * 999 + "1",
    "2^" * 300 + "2",
    r"\sqrt" * 150 + "2",
    "1," * 499 + "1",
    "(1," * 200 + "2" + ")" * 200,
]
"""Each hangs, exhausts or overflows a computer algebra system, or would this one without its limits."""
HOSTILE = [
    "9**9**9**9",
    r"\frac{1}{" * 10_000 + "2" + "}" * 10_000,
    r"\frac{1}{" * 80 + "2" + "}" * 80,
    "1" * 1_000_000,
    "4\x002",
    "\x00",
    "{{{{",
    "}}}}",
    r"\frac{",
    r"\left(",
    "((100!)!)!",
    "\N{RIGHT-TO-LEFT OVERRIDE}21",
    "__import__('os').system('true')",
    "\ud800",
    *BOMBS,
]


EQUAL = {
    (r"\dfrac{1}{5}", r"\frac{1}{5}"),
    (r"\frac19", r"\frac{1}{9}"),
    (r"\frac{7}{2}", "3.5"),
    (r"\text{E}", r"\text{(E)}"),
}
"""Of the pairs drawn below, those that are the same answer indeed."""


def rows_of(name):
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


@pytest.mark.parametrize("answer", HOSTILE, ids=lambda answer: ascii(answer[:20]))
@pytest.mark.parametrize("gold", [r"\sqrt{2}", "2", "(x+1)^2", r"\{1,2\}"])
def test_a_hostile_answer_is_soon_refused(answer, gold):
    began = time.monotonic()
    assert judge(answer, gold).outcome != Outcome.CORRECT
    assert judge(gold, answer).outcome != Outcome.CORRECT
    assert time.monotonic() - began < BUSY


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb[:20])
def test_a_bomb_against_itself_differently_set_is_soon_judged(bomb):
    began = time.monotonic()
    judge(f"{bomb} + 0", f"0 + {bomb}")
    assert time.monotonic() - began < BUSY


@pytest.mark.parametrize(
    ("answer", "gold", "outcome"),
    [
        (None, "5", Outcome.UNPARSEABLE),
        ("}{", "5", Outcome.UNPARSEABLE),
        ("", "5", Outcome.UNPARSEABLE),
        ("", "", Outcome.UNPARSEABLE),
        ("?", "?", Outcome.UNPARSEABLE),
        ("1" * (MAX_ANSWER + 1), "1", Outcome.UNPARSEABLE),
        ("6", "5", Outcome.WRONG),
        ("6", r"\foo 5", Outcome.WRONG),
        (r"\foo  5", r"\foo 5", Outcome.CORRECT),
    ],
)
def test_outcomes(answer, gold, outcome):
    assert MathJudge().outcomes([answer], [gold]) == [outcome]


def test_a_verdict_says_how_it_came_about():
    verdict = judge(r"5 \text{ or } 6?", "5")
    assert verdict.outcome is Outcome.UNPARSEABLE
    assert "'?' is not understood" in verdict.answer.refusal or "?" in verdict.answer.refusal
    assert judge("2,1", "1, 2").rule == "list against list"
    assert judge(r"\frac{84}{13}", "6.46").rule == "value against value, as the gold answer allows"


def test_nothing_is_judged_twice():
    remembering = MathJudge(cached=2)
    remembering.outcomes(["1", "1", "2", "3"], ["1", "1", "1", "1"])
    assert remembering._outcome.cache_info()[:4] == (1, 3, 2, 2)


def test_a_verdict_does_not_depend_on_the_machine(monkeypatch):
    """Work is counted, not timed: what is refused once is refused always."""
    slow = r"\{" + ",".join(f"\\sqrt{{{n}}}" for n in range(2, 60)) + r"\}"
    first = judge(slow, slow.replace(r"\{\sqrt{2}", r"\{\sqrt{61}"))
    monkeypatch.setattr("vineppo.tasks.judge.answers.equality.evaluate", lambda *given: delayed(*given))
    assert judge(slow, slow.replace(r"\{\sqrt{2}", r"\{\sqrt{61}")) == first


def delayed(*given):
    time.sleep(1e-5)
    return evaluate(*given)


# --- real answers ------------------------------------------------------------------------------------------------


@needs_math
@pytest.mark.parametrize("name", ["problems", "math500"])
def test_gold_solutions_are_correct(name):
    rows = rows_of(f"math/{name}.jsonl")
    answers = [boxed_answer(row["solution"]) for row in rows]
    golds = [row.get("answer") or answer or "" for row, answer in zip(rows, answers, strict=True)]
    assert all(try_read(gold).form is not None for gold in golds)
    outcomes = MathJudge().outcomes(answers, golds)
    refused = [gold for gold, outcome in zip(golds, outcomes, strict=True) if outcome is not Outcome.CORRECT]
    assert refused == []


@needs_math
def test_answers_of_other_questions_are_wrong_unless_they_are_equal():
    golds = [row["answer"] for row in rows_of("math/math500.jsonl")]
    outcomes = MathJudge().outcomes(golds, [*golds[1:], golds[0]])
    accepted = [
        pair
        for pair, outcome in zip(zip(golds, [*golds[1:], golds[0]], strict=True), outcomes, strict=True)
        if outcome is Outcome.CORRECT
    ]
    assert len(accepted) <= 5, accepted


@needs_math
def test_random_pairs_of_different_golds_are_not_equal():
    golds = sorted({boxed_answer(row["solution"]) or "" for row in rows_of("math/problems.jsonl")})
    draw = random.Random(0)
    pairs = [tuple(draw.sample(golds, 2)) for _ in range(20_000)]
    outcomes = MathJudge().outcomes([one for one, _ in pairs], [other for _, other in pairs])
    accepted = {pair for pair, outcome in zip(pairs, outcomes, strict=True) if outcome is Outcome.CORRECT}
    assert accepted == EQUAL


@needs_pairs
def test_public_reports_are_all_decided_rightly():
    rows = rows_of("judge/reports.jsonl")
    outcomes = MathJudge().outcomes([row["prediction"] for row in rows], [row["gold"] for row in rows])
    wrong = [row for row, outcome in zip(rows, outcomes, strict=True) if (outcome == "correct") != row["correct"]]
    assert wrong == []


@needs_pairs
def test_no_shape_that_games_a_judge_is_paid():
    rows = rows_of("judge/hacks.jsonl")
    outcomes = MathJudge().outcomes([row["prediction"] for row in rows], [row["gold"] for row in rows])
    assert [row for row, outcome in zip(rows, outcomes, strict=True) if outcome == "correct"] == []


@needs_pairs
def test_few_pairs_of_other_test_suites_are_decided_otherwise():
    rows = [row for row in rows_of("judge/pairs.jsonl") if not row["doubtful"]]
    outcomes = MathJudge().outcomes([row["prediction"] for row in rows], [row["gold"] for row in rows])
    judged = list(zip(rows, outcomes, strict=True))
    paid = [row for row, outcome in judged if outcome == "correct" and not row["correct"]]
    refused = [row for row, outcome in judged if outcome != "correct" and row["correct"]]
    assert [row["prediction"] for row in paid] == [r"2.220288776331226 \cdot 10^42"], "a decimal of six digits or more"
    assert len(refused) <= 0.04 * sum(row["correct"] for row in rows), refused
