"""`examples/svamp.py`: what a starting policy learns from is right."""

import json
import random
import re
from fractions import Fraction
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SVAMP = ROOT.parent / "shared/data/svamp"


@pytest.fixture
def svamp(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    import svamp

    return svamp


ROW = {"question": "Ann has 12 pears and 4 bags. How many a bag?", "answer": "3", "equation": "( 12.0 / 4.0 )"}


def test_other_numbers_divide_and_are_as_long(svamp):
    rows = svamp.with_other_numbers([svamp.plain_row(ROW)], random.Random(0))
    assert len(rows) == svamp.VARIANTS
    for row in rows:
        many, few = re.findall(r"\d+", row["question"])
        assert (len(many), len(few)) == (2, 1)
        assert row["response"] == f"{many} / {few} = {int(many) // int(few)}\n#### {int(many) // int(few)}"
        assert int(many) % int(few) == 0


@pytest.mark.parametrize(
    "question",
    [
        "Ann has 12 pears, Bob 12 and 4 bags. How many a bag?",
        "Ann has 12.5 pears and 12 kiwis and 4 bags. How many a bag?",
        "Ann has a dozen pears and 4 bags. How many a bag?",
    ],
)
def test_a_question_whose_numbers_cannot_be_told_apart_is_left_alone(svamp, question):
    """Twice the same, broken, or not written in digits."""
    assert svamp.with_other_numbers([{**ROW, "question": question, "equation": "(12 / 4)"}], random.Random(0)) == []


@pytest.mark.skipif(not SVAMP.exists(), reason="needs SVAMP in ../shared/data")
def test_every_line_of_the_real_problems_is_right(svamp, tmp_path, monkeypatch):
    monkeypatch.setattr(svamp, "TRIES", 20)
    monkeypatch.setattr(svamp.sys, "argv", ["svamp.py", str(SVAMP), str(tmp_path)])
    svamp.main()
    rows = [json.loads(line) for line in (tmp_path / "worked/train.jsonl").read_text().splitlines()]
    assert len(rows) > 5 * svamp.START
    assert len({row["question"] for row in rows}) > 0.99 * len(rows)
    for row in rows:
        *lines, last = row["response"].splitlines()
        assert lines
        assert last == f"#### {lines[-1].rpartition(' = ')[2]}"
        for line in lines:
            one, sign, other, result = re.fullmatch(r"(\S+) ([-+*/]) (\S+) = (\S+)", line).groups()
            value = svamp.calculate(Fraction(one), sign, Fraction(other))
            assert float(value) == pytest.approx(float(result), rel=1e-5)
