"""What `vineppo steps` prints, and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vineppo.cli import main
from vineppo.preview.show import CONTROLS, colour, figures, histogram
from vineppo.preview.solutions import prompt_of
from vineppo.tasks.arithmetic import ArithmeticTask
from vineppo.tasks.gsm8k import Gsm8kTask

ROWS = [
    {"question": "?", "solution": "One apple and two more.\nThat makes three.", "id": 1},
    {"question": "?", "solution": "Four.", "id": 2},
]


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS), encoding="utf-8")
    return path


def output_of(capsys, *argv: object) -> str:
    assert main(["steps", *map(str, argv)]) == 0
    return capsys.readouterr().out


def error_of(capsys, *argv: object) -> str:
    assert main(["steps", *map(str, argv)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" or captured.out.startswith("steps: ")
    return captured.err.removeprefix("vineppo: error: ").removesuffix("\n")


# --- output ------------------------------------------------------------------------------------------------------


def test_what_follows_a_stop_string_is_left_out(capsys, file):
    printed = output_of(capsys, file, "sampling.stop=[That]")
    assert "--- solution 1: 1 step, 24 characters" in printed
    assert "three" not in printed


def test_steps_are_separated_and_counted(capsys, file):
    assert output_of(capsys, file) == (
        "--- solution 1: 2 steps, 41 characters\n"
        "One apple and two more.\n"
        "│That makes three.\n"
        "\n"
        "--- solution 2: 1 step, 5 characters\n"
        "Four.\n"
        "\n"
        "2 solutions              mean  median  p90  most\n"
        "steps per solution        1.5     1.5    2     2\n"
        "characters per step      15.3      17   24    24\n"
        "characters per solution  23.0      23   41    41\n"
        "\n"
        "steps  solutions\n"
        f"    1          1  {'█' * 40}\n"
        f"    2          1  {'█' * 40}\n"
    )


def test_settings_and_options_come_in_any_order(capsys, file, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("steps: {name: delimiter, delimiter: and}")
    assert "One apple and│ two more." in output_of(capsys, file, config, "--limit", 1)
    assert "One apple and two│ more." in output_of(capsys, "--limit", 1, file, config, "steps.delimiter=two")
    assert "One │appl│e an" in output_of(capsys, file, "--limit", 1, "steps=tokens", "steps.length=4")


def test_a_limit_takes_only_the_first(capsys, file):
    out = output_of(capsys, file, "--limit", 1)
    assert "\n1 solution " in out
    assert "Four" not in out


def test_without_a_limit_a_few_are_shown_and_all_counted(capsys, tmp_path):
    path = tmp_path / "many.jsonl"
    path.write_text('{"response": "a\\nb"}\n\n' * 7)
    out = output_of(capsys, path)
    assert out.count("--- solution") == 5
    assert "The first 5 are shown, all 7 are counted; --limit N takes the first N." in out


def test_a_column_can_be_named(capsys, file):
    assert "--- solution 1: 1 step, 1 character\n?\n" in output_of(capsys, file, "--column", "question")


def test_a_plain_text_is_one_solution(capsys, tmp_path):
    path = tmp_path / "solution.txt"
    path.write_text("a\nb\n\nc", encoding="utf-8")
    assert "--- solution 1: 3 steps, 6 characters\na\n│b\n\n│c\n" in output_of(capsys, path)


def test_a_policy_cuts_by_its_tokens(capsys, tmp_path):
    path = tmp_path / "chains.jsonl"
    path.write_text(json.dumps({"prompt": "", "response": "4+15=19\n19*2=38\n####38"}))
    out = output_of(capsys, path, "--policy", "bundled:arithmetic")
    assert "--- solution 1: 2 steps, 14 tokens\n4+15=19\n│19*2=38\n####38\n" in out
    every_token = output_of(capsys, path, "--policy", "bundled:arithmetic", "steps=tokens", "steps.length=1")
    assert "4│+│15│=│19│\n│19│*│2│=│38│\n│####│38\n" in every_token


def test_uncertain_steps_begin_where_the_policy_was_uncertain(capsys, tmp_path):
    path = tmp_path / "chains.jsonl"
    path.write_text(json.dumps({"response": "4+15=19\n19*2=39\n####39"}))
    words = [path, "--policy", "bundled:arithmetic", "steps=uncertain", "sampling.temperature=1.0"]
    out = output_of(capsys, *words, "steps.every=1")
    assert "=│39" in out  # the policy would rather have written 38
    assert "Probabilities are the policy's at temperature 1, without top-p and top-k." in out
    everywhere = output_of(capsys, *words, "steps.every=1", "steps.threshold=1e-9")
    assert "--- solution 1: 1 step, 14 tokens" in everywhere


def test_a_solution_cannot_steer_the_terminal():
    shown = colour(["\x1b[31mred\x07", "\x7f\n\t"]).plain
    assert shown == "␛[31mred␇│␡\n\t"
    assert set(CONTROLS) & {ord("\n"), ord("\t")} == set()


def test_neighbouring_steps_differ_in_colour():
    styles = [str(span.style) for span in colour(["a", "b", "c"]).spans if "bold" not in str(span.style)]
    assert styles[0] == styles[2] != styles[1]


def test_figures_by_hand():
    assert figures([1, 2, 3, 4, 5, 6, 7, 8, 9, 100]) == ("14.5", "5.5", "9", "100")
    assert figures([3]) == ("3.0", "3", "3", "3")


def test_a_histogram_has_few_lines_of_equal_width():
    assert histogram([1, 1, 3]) == [
        "steps  solutions",
        f"    1          2  {'█' * 40}",
        "    2          0",
        f"    3          1  {'█' * 20}",
    ]
    lines = histogram([0, 5, 119])
    assert [line.split()[0] for line in lines[1:]] == [f"{k}-{k + 9}" for k in range(0, 120, 10)]


def test_prompts_are_the_rows_or_the_tasks():
    assert prompt_of({"prompt": "p", "question": "q"}, ArithmeticTask()) == "p"
    assert prompt_of({"problem": "q"}, Gsm8kTask(template="<{question}>")) == "<q>"
    assert prompt_of({"solution": "s"}, Gsm8kTask()) == ""


# --- errors ------------------------------------------------------------------------------------------------------


def test_wrong_input_is_named_with_a_remedy(capsys, file, tmp_path):
    text, empty, bad, other = (tmp_path / name for name in ("a.txt", "b.jsonl", "c.jsonl", "d.jsonl"))
    text.write_text("a")
    empty.write_text("\n")
    bad.write_text("{}\n{")
    other.write_text('{"text": "a"}')
    assert error_of(capsys).startswith("no file of solutions is named; put it first, e.g. vineppo steps ")
    assert error_of(capsys, "steps=math").startswith("no file of solutions is named;")
    assert error_of(capsys, tmp_path / "none").startswith(f"{tmp_path / 'none'} is not there; name a jsonl file")
    assert "cannot be read" in error_of(capsys, tmp_path)
    assert error_of(capsys, text, "--column", "x").startswith("--column is 'x', but ")
    assert error_of(capsys, empty) == f"{empty} holds no solution; put at least one there"
    assert error_of(capsys, bad).startswith(f"{bad} line 2 is no JSON")
    assert error_of(capsys, other) == (
        f"{other}: row 1 has none of the columns solution, response, completion, answer as text, only 'text'; "
        "name the column of the solutions with --column"
    )
    assert "has no column 'solutio'" in error_of(capsys, file, "--column", "solutio")
    assert error_of(capsys, file, "--limit", 0) == "--limit is 0, but must be a whole number >= 1"


def test_uncertain_steps_need_a_policy(capsys, file):
    assert error_of(capsys, file, "steps=uncertain") == (
        "steps is uncertain, which cuts where a policy was uncertain, but no policy is given; "
        "add --policy DIR, or take other steps, e.g. steps=math"
    )


def test_a_solution_longer_than_the_policys_context_is_refused(capsys, tmp_path):
    path = tmp_path / "long.jsonl"
    path.write_text(json.dumps({"response": "1+1=2\n" * 999}))
    message = error_of(capsys, path, "--policy", "bundled:arithmetic", "steps=uncertain")
    assert message.startswith("solution 1 has 5995 tokens with its prompt, but the policy's context is ")


def test_a_preview_in_characters_imports_no_torch(file):
    program = f"""
import sys
from vineppo.cli import main
main(["steps", {str(file)!r}, "steps=math"])
heavy = sys.modules.keys() & {{"torch", "transformers", "numpy", "datasets"}}
sys.exit(f"imported {{sorted(heavy)}}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
