"""Progress: plain lines for files, a bar for people, and seconds that survive a failure."""

import re
import shlex
import subprocess
import sys
import time

import pytest

from vineppo import waiting
from vineppo.progress import Display, describe


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def test_a_finished_iteration_is_one_plain_line_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]):
    with Display(3) as display:
        for iteration in (1, 2, 3):
            with display.phase("sample") as progress:
                progress(1, 2)
            display.iteration(iteration, {"reward": iteration / 4})
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"  left .*", "", line).rstrip() for line in lines] == [
        "    1/3  reward 0.250",
        "    2/3  reward 0.500",
        "    3/3  reward 0.750",
    ]
    assert "left" in lines[0]
    assert "left" not in lines[2]


def test_lines_are_neither_wrapped_nor_styled(capsys: pytest.CaptureFixture[str]):
    with Display(1) as display:
        display.say("[bold]" + "long " * 100)
    assert capsys.readouterr().out == "[bold]" + "long " * 100 + "\n"


def test_a_terminal_gets_a_bar_with_the_phase(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with Display(3) as display, display.phase("sample") as progress:
        progress(1, 2)
    shown = capsys.readouterr().out
    assert "\x1b[" in shown
    assert "sample" in shown
    assert "1/2" in shown


def test_what_is_left_is_guessed_from_this_process_and_not_from_what_was_done_before(
    capsys: pytest.CaptureFixture[str],
):
    with Display(104, done=100) as display:
        display._started -= 60  # a minute ago
        display.iteration(101, {})
        display.iteration(102, {})
    left = re.findall(r"left (\d):(\d\d):(\d\d)", capsys.readouterr().out)
    assert left == [("0", "03", "00"), ("0", "01", "00")]  # 3 x 60 s after one iteration, 2 x 30 s after two


def test_the_evaluation_of_the_start_is_no_part_of_what_is_left(capsys: pytest.CaptureFixture[str]):
    with Display(4) as display:
        display._started -= 500
        display.iteration(0, {})
        display._started -= 10
        display.iteration(1, {})
    assert "left 0:00:30" in capsys.readouterr().out


def test_nothing_is_guessed_before_anything_was_done_here(capsys: pytest.CaptureFixture[str]):
    with Display(10, done=4) as display:
        display.iteration(4, {"reward": 0.5})
    assert capsys.readouterr().out.rstrip() == "    4/10  reward 0.500"


def test_seconds_add_up_by_phase_until_they_are_taken():
    display = Display(1)
    for _ in range(2):
        with display.phase("sample"):
            time.sleep(0.02)
    with display.phase("update"):
        pass
    taken = display.take_seconds()
    assert list(taken) == ["sample", "update"]
    assert taken["sample"] >= 0.04
    assert 0 <= taken["update"] < taken["sample"]
    assert display.take_seconds() == {}


def test_seconds_of_a_phase_that_fails_are_kept():
    def interrupted(display: Display) -> None:
        with display.phase("credit"):
            time.sleep(0.02)
            raise KeyboardInterrupt

    display = Display(1)
    with pytest.raises(KeyboardInterrupt):
        interrupted(display)
    assert display.take_seconds()["credit"] >= 0.02


@pytest.mark.parametrize(
    ("metrics", "line"),
    [
        ({}, ""),
        ({"iteration": 3.0, "loss/policy": 0.1}, ""),
        ({"reward": 0.12345}, "reward 0.123"),
        ({"eval/accuracy": 0.1234}, "accuracy 12.3%"),
        ({"kl": 0.01, "completions/mean_length": 41.6}, "length 42  kl 0.010"),
        (
            {
                "reward": 1.0,
                "time/iteration": 12.34,
                "time/sample": 1.0,
                "time/credit": 3.0,
                "time/update": 100.0,
                "tokens/trajectories": 2000.0,
                "tokens/rollouts": 6000.0,
            },
            "reward 1.000  2.0k tok/s  12.3s",
        ),
    ],
)
def test_the_few_metrics_a_person_follows(metrics: dict[str, float], line: str):
    assert describe(metrics) == line


def test_a_reader_that_leaves_does_not_end_training(tmp_path):
    program = (
        "import sys\n"
        "from vineppo.progress import Display\n"
        "with Display(3000) as display:\n"
        "    for i in range(3000):\n"
        "        display.iteration(i, {'reward': 0.5})\n"
        "        display.say('a line')\n"
        f"open({str(tmp_path / 'finished')!r}, 'w').close()\n"
    )
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(program)}; echo $? > {tmp_path / 'code'}"
    subprocess.run(["bash", "-c", f"({command}) | head -n 1"], check=True, capture_output=True)
    assert (tmp_path / "finished").exists()
    assert (tmp_path / "code").read_text() == "0\n"


def test_a_file_hears_of_a_long_wait_and_then_half_as_often(capsys, monkeypatch):
    monkeypatch.setattr(waiting, "PATIENCE", 0.05)
    with Display(3, brief=True) as display, display.phase("sample") as done:
        done(1, 2)
        display.say("a result")
        display.iteration(0, {"reward": 0.5})
        display.warn("[look]")
        time.sleep(0.5)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "warning: [look]"
    assert set(lines[1:]) == {"      sample 1/2 ..."}
    assert 1 <= len(lines[1:]) <= 4, "after 0.05, 0.15 and 0.35 seconds"


def test_where_a_run_is_between_phases():
    display = Display(3, done=2, unit="check")
    assert display.whereabouts() == "check 2/3"
    with display.phase("memory"):
        assert display.whereabouts() == "memory"


def test_loading_is_told_until_something_is_shown(capsys, monkeypatch):
    monkeypatch.setattr(waiting, "PATIENCE", 0.05)
    waiting.loading()
    time.sleep(0.12)
    with Display(3, quiet=True):
        before = capsys.readouterr().out
        time.sleep(0.2)
    assert set(before.splitlines()) == {"      loading ..."}
    assert capsys.readouterr().out == ""
