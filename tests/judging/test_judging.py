import json

import pytest

from vineppo.cli import main


def write(folder, rows):
    file = folder / "pairs.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(file)


def test_one_pair_is_shown_in_full(capsys):
    assert main(["judge", "--gold", r"\frac{1}{2}", "--answer", "0.5"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("correct  (")
    assert r"gold    \frac{1}{2}  ->  expression (1 / 2)" in printed
    assert "answer  0.5  ->  number 1/2" in printed
    assert "rule    value against value" in printed


def test_a_refusal_says_why(capsys):
    assert main(["judge", "--gold", "5", "--answer", r"\foo 5"]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("unparseable")
    assert r"not read: the command \foo is not understood" in printed


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (r"x^2 - \sqrt{2}", "expression ((x ^ 2) + -root(2, 2))"),
        (r"5 \text{ cm}", "number 5, in cm"),
        ("2, 1", "list of 2: number 2; number 1"),
        (r"\{1\}", "set of 1: number 1"),
        ("[0, 1)", "[number 0; number 1)"),
        (r"x \le 3 \text{ or } x = 5", "region of x (-infty, 3] or {5}"),
        (r"\begin{pmatrix} 1 & 2 \end{pmatrix}", "matrix 1, 2"),
        ("f(x) = 2x", "f(x) is expression (2 * x)"),
        ("x^2 = 4", "statement (x ^ 2) = 4"),
        (r"x \equiv 1 \pmod 4", "x congruent to 1 modulo 4"),
        ("2516_8", "number 2516 in base 8"),
        ("6:40 PM", "time 6:40 pm"),
        ("2:3", "ratio 2 : 3"),
        ("C) 12", "choice C, with '12'"),
        (r"\text{Monday}", "words 'monday'"),
        ("9999^{9999}", "expression (9999 ^ 9999)"),
    ],
)
def test_every_form_can_be_shown(answer, shown, capsys):
    main(["judge", "--gold", "5", f"--answer={answer}"])
    assert f"->  {shown}\n" in capsys.readouterr().out


def test_of_a_file_what_contradicts_its_label_is_shown(tmp_path, capsys):
    rows = [
        {"gold": "1", "prediction": "1.0", "correct": True},
        {"gold": "1", "prediction": "2", "correct": False},
        {"gold": "1", "prediction": r"1 \to 1", "correct": True},
    ]
    assert main(["judge", write(tmp_path, rows)]) == 1
    printed = capsys.readouterr().out
    assert "unparseable, labelled correct" in printed
    assert "3 pairs: 1 correct, 1 unparseable, 1 wrong" in printed
    assert "3 labelled: 0 accepted wrongly, 1 refused wrongly" in printed
    assert main(["judge", write(tmp_path, rows), "--limit", "2"]) == 0


def test_of_a_file_without_labels_what_is_not_correct_is_shown(tmp_path, capsys):
    file = write(tmp_path, [{"gold": 0.5, "answer": "1/2"}, {"gold": "1", "answer": "2"}])
    assert main(["judge", file]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("wrong  (")
    assert "2 pairs: 1 correct, 1 wrong" in printed
    assert "labelled" not in printed


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "holds no pairs"),
        ([{"gold": "1"}], "row 1: columns 'gold' and 'answer' (or 'prediction') are needed, there is 'gold'; add them"),
        ([{"gold": [1], "answer": "1"}], "row 1: gold and answer must be text or numbers"),
        ([{"gold": "1", "answer": "1", "correct": "yes"}], "row 1: column 'correct' is 'yes'; make it true or false"),
    ],
)
def test_a_file_that_cannot_work_is_refused(tmp_path, rows, message, capsys):
    assert main(["judge", write(tmp_path, rows)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["--gold", "1"], ["pairs.jsonl", "--gold", "1"], ["a", "b"]])
def test_either_a_file_or_a_pair(argv, capsys):
    assert main(["judge", *argv]) == 2
    assert "give either a file of pairs, or --gold TEXT and --answer TEXT" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(capsys):
    assert main(["judge", "nowhere.jsonl"]) == 2
    assert "'nowhere.jsonl' is no file" in capsys.readouterr().err
