"""The whole command: a question, a file, a real question of GSM8K."""

import json
import re
import time
from pathlib import Path

import pytest

from recipes.small_runs import write_random_model
from vineppo.cli import main
from vineppo.explain.show import MINUS, PLUS, heading, legend, stacked, style_of
from vineppo.report.credit_map import StepView, map_of
from vineppo.report.run_data import LoggedTrajectory
from vineppo.tasks.arithmetic import ArithmeticTask

ARITHMETIC = ["sampling={temperature: 1.0, top_p: 1.0, max_new_tokens: 80}", "credit=vine", "credit.rollouts=4"]
NATALIA = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. "
    "How many clips did Natalia sell altogether in April and May?"
)
"""Training question 1 of GSM8K."""


def explain(*argv: object) -> int:
    return main(["explain", *map(str, argv)])


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- arithmetic --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def explained(tmp_path_factory) -> Path:
    """One question with two given solutions, the second of which goes wrong in its second step."""
    folder = tmp_path_factory.mktemp("explained")
    row = {
        "question": "3*7+1-2",
        "answer": 20,
        "solutions": ["3*7=21\n21+1=22\n22-2=20\n####20", "3*7=21\n21+1=23\n23-2=21\n####21"],
    }
    (folder / "rows.jsonl").write_text(json.dumps(row))
    assert explain("--file", folder / "rows.jsonl", "--out", folder / "out", *ARITHMETIC) == 0
    return folder / "out"


def test_every_step_has_value_interval_advantage_and_label(explained):
    right, wrong = lines(explained / "steps.jsonl")
    assert [step["text"] for step in right["steps"]] == ["3*7=21\n", "21+1=22\n", "22-2=20\n####20"]
    assert (right["outcome"], wrong["outcome"]) == ("correct", "wrong")
    for record in (right, wrong):
        values = [step["value"] for step in record["steps"]]
        assert [step["value_after"] for step in record["steps"]] == [*values[1:], record["reward"]]
        for step in record["steps"]:
            assert step["advantage"] == pytest.approx(step["value_after"] - step["value"])
            assert step["interval"][0] <= step["value"] <= step["interval"][1]
            assert step["advantage_interval"][0] <= step["advantage"] <= step["advantage_interval"][1]
            assert step["num_rollouts"] == 4
            assert 1 <= len(step["rollouts"]) <= 2
            assert step["label"] is (step["value_after"] > 0)


def test_trl_can_read_the_stepwise_rows(explained):
    for row in lines(explained / "stepwise.jsonl"):
        assert list(row) == ["prompt", "completions", "labels"]
        assert row["prompt"] == "3*7+1-2=?\n"
        assert len(row["completions"]) == len(row["labels"]) == 3
        assert all(isinstance(label, bool) for label in row["labels"])
        assert all(text == text.strip() != "" for text in row["completions"])


def test_the_same_seed_gives_the_same_numbers(explained, tmp_path):
    assert explain("--file", explained.parent / "rows.jsonl", "--out", tmp_path / "again", *ARITHMETIC) == 0
    assert (tmp_path / "again" / "steps.jsonl").read_text() == (explained / "steps.jsonl").read_text()


def test_labels_may_ask_for_more_than_one_success(explained, tmp_path):
    words = ["--file", explained.parent / "rows.jsonl", "--label-above", 0.99, "--out", tmp_path / "strict"]
    assert explain(*words, *ARITHMETIC) == 0
    for row, record in zip(lines(tmp_path / "strict/stepwise.jsonl"), lines(explained / "steps.jsonl"), strict=True):
        assert row["labels"] == [step["value_after"] > 0.99 for step in record["steps"]]


def test_a_question_on_the_command_line_is_sampled_and_shown(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")
    for folder in ("runs/explanation-1", "runs/explanation-2"):
        assert explain("--question", "3*7+1", "--answer", 22, "--solutions", 1, *ARITHMETIC) == 0
        assert (tmp_path / folder / "explanation.html").exists()
    out = capsys.readouterr().out
    assert re.search(r"--- solution 1, question: \w+, reward [01], the answer is 22", out)
    assert "value before  step" in out
    assert re.search(r"[01]\.\d\d  0\.\d\d to [01]\.\d\d ", out), "a value and its interval"
    assert "page runs/explanation-2/explanation.html" in out


def test_the_tasks_own_questions_need_no_words(capsys, tmp_path):
    task = "task={name: arithmetic, operations: 2, train_questions: 9, test_questions: 9}"
    assert explain(task, "--limit", 2, "--solutions", 1, "--out", tmp_path / "out", *ARITHMETIC) == 0
    assert [record["question"] for record in lines(tmp_path / "out/steps.jsonl")] == ["test-0", "test-1"]
    assert ArithmeticTask().name == "arithmetic"


def test_a_legend_of_intervals_only_where_there_are_some():
    assert "Ranges are 95 % intervals." in legend("1", has_intervals=True).plain
    assert legend("1", has_intervals=False).plain.endswith("This credit has no intervals; credit=vine measures some.")


# --- GSM8K -------------------------------------------------------------------------------------------------------


def test_a_real_question_of_gsm8k_takes_less_than_a_minute(tmp_path):
    model = write_random_model(tmp_path / "model", [NATALIA])
    gold = "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nShe sold 48+24 = <<48+24=72>>72 clips.\n#### 72"
    row = {"question": NATALIA, "answer": gold, "solutions": [f"\n{gold}", "\nShe sold 48 clips.\n#### 48"]}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    settings = ["task=gsm8k", "sampling.max_new_tokens=200", "credit=vine", "credit.rollouts=2"]
    started = time.monotonic()
    assert explain("--policy", model, "--file", tmp_path / "rows.jsonl", "--out", tmp_path / "out", *settings) == 0
    assert time.monotonic() - started < 60
    right, wrong = lines(tmp_path / "out/steps.jsonl")
    assert (right["outcome"], wrong["outcome"]) == ("correct", "wrong")
    assert right["answer"] == "72"
    assert "".join(step["text"] for step in right["steps"]) == f"\n{gold}"


# --- in the terminal ---------------------------------------------------------------------------------------------


def trajectory(advantages: list[float]) -> LoggedTrajectory:
    steps = [
        {
            "text": f"step {i}",
            "position": i,
            "tokens": 1,
            "advantage": a,
            "value": 0.5,
            "interval": (0.4, 0.6),
            "advantage_interval": (a - 0.2, a + 0.2),
        }
        for i, a in enumerate(advantages)
    ]
    texts = {"question": "q", "prompt": "p", "response": "r", "outcome": "correct", "finish": "terminated"}
    return LoggedTrajectory.model_validate({"iteration": 0, "reward": 1.0, "steps": steps, **texts})


def views(advantages: list[float]) -> tuple[StepView, ...]:
    return map_of([("t", "k", [trajectory(advantages)])], "share").groups[0][1][0].steps


def test_colours_are_those_of_the_sign_and_deepen_with_the_size():
    strong, weak, bad, none = map(style_of, views([0.5, 0.1, -0.5, 0.0]))
    assert strong == f"#ffffff on #{''.join(f'{part:02x}' for part in PLUS)}"
    assert bad == f"#ffffff on #{''.join(f'{part:02x}' for part in MINUS)}"
    assert weak.startswith("#1a1a1a on #")
    assert none == ""


def test_colour_is_never_the_only_carrier():
    assert [view.advantage for view in views([0.5, -0.5])] == ["+0.50", "\N{MINUS SIGN}0.50"]
    assert "raised" in legend("0.5", has_intervals=True).plain


def test_on_a_narrow_terminal_the_steps_stand_above_their_numbers():
    [view] = map_of([("t", "k", [trajectory([0.5])])], "share", numbered=True).groups[0][1]
    text = stacked(view).plain.splitlines()
    assert text[0] == view.steps[0].text.rstrip()
    assert text[1].startswith("  value 0.50")
    assert text[2].startswith("  advantage +0.50")
    assert text[-1] == "reward 1: correct, terminated"


def test_the_heading_says_what_it_is():
    [view] = map_of([("t", "k", [trajectory([0.5])])], "share", numbered=True).groups[0][1]
    assert heading(view) == "--- solution 1, q: correct, reward 1"


# --- errors ------------------------------------------------------------------------------------------------------


def error_of(capsys, *argv: object) -> str:
    assert explain(*argv) == 2
    return capsys.readouterr().err.removeprefix("vineppo: error: ").removesuffix("\n")


def test_wrong_input_is_refused_before_the_policy_is_loaded(capsys, tmp_path, explained, monkeypatch):
    monkeypatch.setattr("vineppo.explain.load_policy", None)
    asked = ["--question", "1+1", "--answer", "2"]
    assert error_of(capsys, *asked, "--solutions", 0) == "--solutions is 0, but must be a whole number >= 1"
    assert error_of(capsys, *asked, "--out", explained).endswith(
        "is not empty; name another folder, or leave --out away for a new one"
    )
    (tmp_path / "file").touch()
    assert error_of(capsys, *asked, "--out", tmp_path / "file").endswith("is a file; name a folder")
    assert error_of(capsys, "--question", "1+1").startswith("question has no gold answer")
    assert "is not there" in error_of(capsys, *asked, "--policy", tmp_path / "no model")
