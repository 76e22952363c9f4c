"""The order and time of parts, killing what is late, and tables from whatever was left."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import gpu
from gpu_run.curves import goal_of, put_curve, summary
from gpu_run.launch import run_within
from gpu_run.page import page, read_all, record, shown
from gpu_run.parts import correctness, learning, memory, promises, real
from gpu_run.plan import RESERVE_SECONDS, SHARES, Part, allowance
from gpu_run.results import DONE, Result, Sheet, failure, read_result, result_path, troubles
from vineppo.analysis.run_comparison import Point
from vineppo.config.load import load_config

ALL = list(Part)


# --- the plan ----------------------------------------------------------------------------------------------------


def test_correctness_is_first_and_shares_are_hundredths():
    assert ALL[0] is Part.CORRECTNESS
    for shares in SHARES.values():
        assert set(shares) == set(Part)
        assert sum(shares.values()) == 100


def test_a_part_gets_its_share_of_what_is_left():
    assert allowance(ALL, 100 + RESERVE_SECONDS, "cuda") == SHARES["cuda"][Part.CORRECTNESS]
    # 84 hundredths wait for 84 seconds.
    assert allowance(ALL[2:], 84 + RESERVE_SECONDS, "cuda") == pytest.approx(SHARES["cuda"][Part.ROLLOUTS])


def test_what_one_part_leaves_over_the_others_get():
    assert allowance(ALL[2:], 100 + RESERVE_SECONDS, "cuda") == pytest.approx(100 * 25 / 84)
    assert allowance([Part.REAL], 40 + RESERVE_SECONDS, "cuda") == 40


def test_without_time_a_part_gets_none():
    assert allowance(ALL, 1.0, "cuda") == 0
    assert allowance(ALL, -5.0, "cuda") == 0


def test_the_whole_never_takes_longer_than_it_may():
    left = 600.0
    for place in range(len(ALL)):
        left -= allowance(ALL[place:], left, "cuda")
    assert left == pytest.approx(RESERVE_SECONDS)


# --- killing -----------------------------------------------------------------------------------------------------


def run(work: Callable[[], object], folder: Path, *, seconds: float = 20.0) -> str:
    return run_within(partial(work), seconds=seconds, log=folder / "log.txt", poll=lambda: None)


def fail(error: BaseException) -> None:
    raise error


def is_there(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_what_ends_by_itself_is_done(tmp_path: Path):
    assert run(int, tmp_path) == DONE


def test_the_last_words_of_what_fails_are_told(tmp_path: Path):
    assert run(lambda: fail(ValueError("no such size")), tmp_path) == "failed: ValueError: no such size"
    assert run(lambda: fail(SystemExit("failed: no GPU")), tmp_path) == "failed: no GPU"
    assert run(lambda: os._exit(3), tmp_path) == "failed: exit code 3"
    assert run(lambda: fail(SystemExit(0)), tmp_path) == DONE


def test_only_its_own_last_words_are_told(tmp_path: Path):
    run(lambda: print("of another part"), tmp_path)
    assert (tmp_path / "log.txt").read_text() == "of another part\n"
    assert run(lambda: os._exit(3), tmp_path) == "failed: exit code 3"


def stubborn(path: Path) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is started inherits it
    path.write_text(str(subprocess.Popen(["sleep", "600"]).pid))
    time.sleep(600)


def test_what_is_late_is_killed_with_all_that_it_started(tmp_path: Path):
    path, polls = tmp_path / "pid", []
    began = time.monotonic()
    seen = run_within(
        partial(stubborn, path), seconds=3.0, log=tmp_path / "log.txt", poll=lambda: polls.append(path.exists())
    )
    assert seen == "cut off after 3 s"
    assert time.monotonic() - began < 30
    assert polls
    if path.exists():  # on a very busy machine it was killed before it began
        deadline = time.monotonic() + 10
        while is_there(int(path.read_text())) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not is_there(int(path.read_text()))


# --- results -----------------------------------------------------------------------------------------------------


def filled(folder: Path, part: Part = Part.ROLLOUTS) -> Result:
    result = Result(part=part, command="python benchmarks/gpu.py", allowed=150.0)
    sheet = Sheet(result, folder)
    sheet.machine({"device": "a large one", "kind": "cuda", "torch": "2.11.0"})
    sheet.put("Speed", {"model": "tiny", "engine": "ours", "tokens/s": 1234.5, "outcome": "measured"}, keys=2)
    sheet.put("Speed", {"model": "tiny", "engine": "theirs", "outcome": "failed: out of memory"}, keys=2)
    sheet.note("Speed", "As measured.")
    return result


def test_every_row_is_on_the_disk_at_once(tmp_path: Path):
    filled(tmp_path)
    (table,) = json.loads(result_path(tmp_path, Part.ROLLOUTS).read_text())["tables"]
    assert [row["engine"] for row in table["rows"]] == ["ours", "theirs"]
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_row_that_is_put_again_replaces_the_old_one(tmp_path: Path):
    sheet = Sheet(Result(part=Part.UPDATE), tmp_path)
    for rate in (1.0, 2.0):
        sheet.put("Speed", {"model": "tiny", "kind": "a", "rate": rate}, keys=2)
        sheet.put("Speed", {"model": "tiny", "kind": "b", "rate": rate}, keys=2)
    assert [(row["kind"], row["rate"]) for row in sheet.rows("Speed")] == [("a", 2.0), ("b", 2.0)]


def test_tables_show_what_a_part_had_when_everything_was_cut_off(tmp_path: Path):
    filled(tmp_path)
    text = page(read_all(tmp_path))
    assert "| Rollouts | running, or cut off with all that was to follow |" in text
    assert "| tiny | ours | 1,234 | measured |" in text  # half to even
    assert "| tiny | theirs |  | failed: out of memory |" in text
    assert "| Update | not run |" in text
    assert "### Update\n\nNot run." in text


def test_a_page_of_nothing_says_that_nothing_was_run():
    text = page([])
    assert text.startswith("Nothing was run.")
    assert text.count("Not run.") == len(Part)


def test_numbers_are_shown_with_digits_that_tell_something():
    assert [shown(x) for x in (None, 0.0, 3e-7, 0.123456, 12.34, 123456.7, 12345, "word")] == [
        "", "0", "3.0e-07", "0.123", "12.3", "123,457", "12,345", "word",
    ]  # fmt: skip


def test_results_replace_the_section_of_their_device(tmp_path: Path):
    filled(tmp_path)
    path = tmp_path / "gpu.md"
    path.write_text("# Title\n\n## On a GPU\n\nNot run.\n\n## On a CPU\n\nStays.\n")
    record(read_all(tmp_path), path)
    text = path.read_text()
    assert text.index("a large one") < text.index("## On a CPU\n\nStays.")
    assert text.startswith("# Title\n\n## On a GPU\n")
    with pytest.raises(SystemExit, match="no machine"):
        record([], path)


def test_whatever_went_wrong_is_told(tmp_path: Path):
    result = filled(tmp_path)
    result.status = DONE
    assert troubles(result) == ["Speed: tiny, theirs, failed: out of memory"]
    result.status = "cut off after 3 s"
    assert troubles(result)[0] == "Rollouts: cut off after 3 s"
    assert troubles(Result(part=Part.UPDATE, status=DONE)) == ["Update: no table"]


def test_a_failure_fits_into_a_cell():
    assert failure(ValueError("two\nlines")) == "failed: ValueError: two lines"
    assert len(failure(RuntimeError("x" * 1000))) < 250


def test_what_a_suite_had_passed_when_it_was_cut_off_is_counted(tmp_path: Path):
    sheet = Sheet(Result(part=Part.PROMISES), tmp_path)
    log = "suite.py::test_a[torch] PASSED  [  2%]\nsuite.py::test_b[torch-0] FAILED [  5%]\nsuite.py::test_c[torch] "
    promises.put_counts(sheet, "bfloat16", log, "cut off after 3 s")
    (row,) = sheet.rows(promises.PROMISES)
    assert (row["passed"], row["failed"], row["skipped"]) == (1, 1, 0)
    saved = read_result(tmp_path, Part.PROMISES)
    assert saved is not None
    assert saved.tables[0].notes == ["Failed in bfloat16: test_b[torch-0]."]


# --- curves ------------------------------------------------------------------------------------------------------


def curve(*accuracies: float) -> list[Point]:
    return [Point(iteration=i, accuracy=a, at={"seconds": 10.0 * i}) for i, a in enumerate(accuracies)]


def test_how_soon_a_run_is_as_good_as_ppo_ever_was():
    goal = goal_of(curve(0.1, 0.4, 0.3))
    assert goal == 0.4
    assert summary(curve(0.1, 0.2, 0.5, 0.3), goal) == {
        "start": 0.1, "best": 0.5, "last": 0.3, "iterations": 3, "seconds": 30.0, "to PPO's best": 20.0,
    }  # fmt: skip
    assert summary(curve(0.1, 0.2), goal)["to PPO's best"] is None


def test_a_run_that_never_rose_is_no_goal():
    assert goal_of(curve(0.3, 0.2)) is None
    assert goal_of([]) is None
    assert set(summary([], 0.5).values()) == {None}


def test_a_long_curve_is_thinned_and_its_last_point_kept(tmp_path: Path):
    sheet = Sheet(Result(part=Part.LEARNING), tmp_path)
    put_curve(sheet, "Curve", "ppo", curve(*[0.1] * 50, 0.9))
    rows = sheet.rows("Curve")
    assert len(rows) <= 13
    assert (rows[0]["iteration"], rows[-1]["accuracy"]) == (0, 0.9)


# --- the command -------------------------------------------------------------------------------------------------


def given(folder: Path, *words: str) -> gpu.Run:
    arguments = gpu.arguments(["--device", "cpu", "--out", str(folder), "--work", str(folder / "work"), *words])
    return gpu.Run(given=arguments, command="python benchmarks/gpu.py")


def test_parts_without_time_are_not_begun_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gpu, "ask_machine", lambda run: {"kind": "cpu"})
    gpu.run_parts(given(tmp_path, "--minutes", "0.01"))
    results = read_all(tmp_path)
    assert [result.part for result in results] == ALL
    assert {result.status for result in results} == {"not run: 0 s were left for it"}
    assert "not run: 0 s were left for it" in (tmp_path / "tables.md").read_text()


def test_a_part_that_hangs_costs_the_others_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    began: list[Part] = []

    def child(work: partial[None], *, seconds: float, log: Path, poll: object) -> str:
        assignment, _, machine = work.args
        part = assignment.part
        began.append(part)
        assert assignment.seconds == seconds
        assert machine == {"kind": "cpu"}
        if part is Part.MEMORY:
            return f"cut off after {seconds:.0f} s"
        filled(tmp_path, part)
        return DONE

    monkeypatch.setattr(gpu, "run_within", child)
    monkeypatch.setattr(gpu, "ask_machine", lambda run: {"kind": "cpu"})
    run = given(tmp_path, "--minutes", "1", "--parts", "learning", "memory", "update")
    gpu.run_parts(run)
    assert began == [Part.UPDATE, Part.MEMORY, Part.LEARNING], "in the plan's order, whatever was typed"
    statuses = {result.part: result.status.split(" after")[0] for result in read_all(tmp_path)}
    assert statuses == {Part.UPDATE: DONE, Part.MEMORY: "cut off", Part.LEARNING: DONE}
    assert read_result(tmp_path, Part.CORRECTNESS) is None


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_config_of_a_part_is_valid_on_a_gpu_too(tmp_path: Path, device: str):
    arguments = ("--device", device, "--model", "bundled:registers", "--data", "data", "--policy", "bundled:registers")
    full = given(tmp_path, *arguments).assignment(Part.REAL, 60.0)
    bare = replace(full, model=None, data=None, policy=None)
    for each in (full, bare):
        real_words = [*real.words(each, each.model or "here", each.data or "there"), *real.STAND_IN]
        configs = [learning.words(each), real_words, correctness.small_words(each, tmp_path)]
        configs.append(correctness.real_words(each, "bundled:registers"))
        for words in configs:
            for method in learning.METHODS:
                assert load_config(Path(words[0]), [*words[1:], *method.words]).policy.device == device
        for kind in memory.KINDS.values():
            assert memory.settings(each, tmp_path, kind).policy.device == device


def test_an_assignment_is_made_of_the_command_line(tmp_path: Path):
    assignment = given(tmp_path, "--sizes", "tiny", "--model", "here").assignment(Part.REAL, 12.0)
    assert (assignment.part, assignment.model, assignment.sizes) == (Part.REAL, "here", ("tiny",))
    assert not assignment.on_gpu
    assert 0 < assignment.left <= 12, "what importing takes is not the part's own"
    assert os.path.isabs(assignment.out)
