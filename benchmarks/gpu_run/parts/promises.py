"""The engines' conformance suite, in float32 and bfloat16."""

import os
import re
import time
from collections.abc import Callable
from functools import partial

import pytest

from gpu_run.assignment import Assignment, Dtype
from gpu_run.launch import FORKS, GRACE_SECONDS, ROOT, do_logged
from gpu_run.results import Sheet

PROMISES = "tests/engines/test_conformance.py"
SELECTED = {
    "cuda": "",
    "cpu": "torch and (limit or ends or sleep or progress or forbidding or small_updates)",
}
"""Of its tests. On a CPU, where `make test` runs them all, a few of the quickest."""
OUTCOME = re.compile(r"^\S+::(\S+) (PASSED|FAILED|ERROR|SKIPPED)", re.MULTILINE)
MARGIN = 2.0


def measure(assignment: Assignment, sheet: Sheet) -> None:
    """One precision after the other."""
    for place, dtype in enumerate(assignment.dtypes):
        run_suite(assignment, dtype, sheet, seconds=(assignment.left - MARGIN) / (len(assignment.dtypes) - place))
    if SELECTED[assignment.device]:
        sheet.note(PROMISES, "On a CPU a few of its tests: `make test` runs them all there.")


def run_suite(assignment: Assignment, dtype: Dtype, sheet: Sheet, *, seconds: float) -> None:
    """In a process of its own; its log is read while it runs, so that what had passed counts however it ends."""
    log = assignment.work / f"conformance-{dtype}.log"
    log.unlink(missing_ok=True)
    log.touch()
    process = FORKS.Process(target=do_logged, args=(suite(assignment, dtype), log))
    process.start()
    deadline = time.monotonic() + seconds
    while process.is_alive() and time.monotonic() < deadline:
        put_counts(sheet, dtype, log.read_text(), "running")
        process.join(1.0)
    late = process.is_alive()
    if late:
        process.kill()
    process.join(GRACE_SECONDS)
    ended = {0: "all done", 1: "some failed"}.get(process.exitcode or 0, f"pytest ended with code {process.exitcode}")
    put_counts(sheet, dtype, log.read_text(), f"cut off after {seconds:.0f} s" if late else ended)


def suite(assignment: Assignment, dtype: Dtype) -> Callable[[], None]:
    """What that process does."""
    selected = SELECTED[assignment.device]
    words = ["-o", "addopts=", "-v", "--color=no", "-p", "no:cacheprovider", f"--rootdir={ROOT}", str(ROOT / PROMISES)]
    words += ["-k", selected] if selected else []
    return partial(run_pytest, words, {"VINEPPO_TEST_DEVICE": assignment.device, "VINEPPO_TEST_DTYPE": dtype})


def run_pytest(words: list[str], settings: dict[str, str]) -> None:
    """Its exit code is this process's."""
    os.environ.update(settings)
    raise SystemExit(int(pytest.main(words)))


def put_counts(sheet: Sheet, dtype: Dtype, log: str, outcome: str) -> None:
    """One row, and below the table which tests failed."""
    found = OUTCOME.findall(log)
    failed = [name for name, verdict in found if verdict in ("FAILED", "ERROR")]
    counts = {
        "passed": sum(verdict == "PASSED" for _, verdict in found),
        "failed": len(failed),
        "skipped": sum(verdict == "SKIPPED" for _, verdict in found),
    }
    sheet.put(PROMISES, {"dtype": dtype, **counts, "outcome": outcome})
    if failed and outcome != "running":
        sheet.note(PROMISES, f"Failed in {dtype}: {', '.join(failed)}.")
