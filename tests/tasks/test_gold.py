import json

import pytest

from vineppo.errors import UserError
from vineppo.tasks.build import build_task
from vineppo.tasks.dataset import DatasetTask
from vineppo.tasks.gold import read_golds

FINE = [{"solution": rf"\boxed{{{n}}}"} for n in range(100)]


def golds(*rows: dict[str, object]) -> list[str]:
    return read_golds(rows, "solution", "task.path 'd', split 'train'", None)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "nan", "NaN", "None", "<NA>", None, True, "", "x" * 1001]
)
def test_what_is_no_value_is_no_gold_answer(value):
    with pytest.raises(UserError, match=r"split 'train': column 'solution' of row 2 has no gold answer: .*; make it"):
        golds({"solution": "1"}, {"solution": value})


@pytest.mark.parametrize(
    "text",
    [r"\\boxed{\frac{1}{2}}", r"\boxed{5}", r"\text{13}", r"\\boxed{\text{13}}", r"5 \times 2", r"\left(1, 2\right)"],
)
def test_a_gold_answer_spoilt_by_json_is_refused_with_its_row(text):
    row = json.loads(f'{{"solution": "{text}"}}') if "\\l" not in text else {"solution": text.replace(r"\r", "\r")}
    with pytest.raises(UserError, match=r"row 2 holds the control character '\\.*' in its gold .*single backslash"):
        golds({"solution": "1"}, row)


def test_several_boxes_are_named_and_all_must_be_given(tmp_path, capsys):
    rows = [
        {"prompt": "?", "solution": r"$\boxed{3}$ or $\boxed{\frac{2}{5}}$"},
        {"prompt": "?", "solution": r"\boxed{1}"},
    ]
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    task = build_task(DatasetTask(path=str(tmp_path)))
    assert "1 row (1) with several different boxes in column 'solution': all must be given" in capsys.readouterr().err
    responses = [r"\boxed{\frac{2}{5}}, \boxed{3}", r"\boxed{3, 0.4}", r"\boxed{3}"]
    judged = task.judge([task.questions("train")[0]] * 3, responses)
    assert [judgement.outcome for judgement in judged] == ["correct", "correct", "wrong"]


def test_the_same_answer_in_two_boxes_is_one(capsys):
    assert golds({"solution": r"\boxed{15\frac{39}{40}} or \boxed{\frac{639}{40}}"}) == [r"15\frac{39}{40}"]
    assert golds({"solution": r"\boxed{49}. Or so: \boxed{49}"}) == ["49"]
    assert capsys.readouterr().err.count("several different boxes") == 0


def test_gold_answers_that_cannot_be_read_are_counted(capsys):
    found = golds(*FINE, {"solution": r"\boxed{\int x}"})
    assert found[-1] == r"\int x"
    assert (
        r"1 of 101 gold answers in column 'solution' cannot be read: row 101 '\\int x' (the command"
        in capsys.readouterr().err
    )


def test_too_many_that_cannot_be_read_are_refused_with_the_first_five():
    unread = [{"solution": rf"\boxed{{\int {n}x}}"} for n in range(12)]
    with pytest.raises(UserError, match=r"12 of 112 gold answers .* row 1 .*row 5 (?!.*row 6).*at most 10% may be"):
        golds(*unread, *FINE)


def test_a_small_number_in_json_stays_the_number():
    assert golds({"solution": json.loads("0.00001")}) == ["1e-05"]
