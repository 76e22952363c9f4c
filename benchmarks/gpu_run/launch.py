"""Running a part in a process group of its own, which is killed as a whole when its time is up.

Processes are forked from one that has imported what all of them need, so that none waits for that. Whoever forks must
not have touched the GPU: CUDA does not survive a fork.
"""

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.context import ForkProcess
from pathlib import Path

from gpu_run.results import failure

POLL_SECONDS = 0.2
GRACE_SECONDS = 1.0
"""Between being asked to end and being killed."""
BENCHMARKS = Path(__file__).resolve().parents[1]
ROOT = BENCHMARKS.parent
FORKS = multiprocessing.get_context("fork")


def prepare_environment() -> None:
    """For this process and all that it starts: benchmarks and source come first, and nothing asks the network."""
    paths = [str(BENCHMARKS), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    os.environ.update({"PYTHONPATH": os.pathsep.join(filter(None, paths)), "HF_HUB_OFFLINE": "1"})


def run_within(work: Callable[[], None], *, seconds: float, log: Path, poll: Callable[[], None]) -> str:
    """In words how it ended: `done`, `cut off after N s`, or `failed: ` and its last words. `poll` is called often.

    The process and all that it starts are gone when this returns, also when it is interrupted itself.
    """
    log.touch()
    started = log.stat().st_size
    process = FORKS.Process(target=_in_group, args=(work, log.resolve()))
    process.start()
    deadline = time.monotonic() + seconds
    try:
        while process.is_alive() and time.monotonic() < deadline:
            poll()
            process.join(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))
    finally:
        late = process.is_alive()
        end_group(process)
    if late:
        return f"cut off after {seconds:.0f} s"
    return "done" if process.exitcode == 0 else _failed(log, started, process.exitcode)


def _in_group(work: Callable[[], None], log: Path) -> None:
    os.setpgid(0, 0)
    os.chdir(ROOT)
    do_logged(work, log)


def do_logged(work: Callable[[], None], log: Path) -> None:
    """All that is printed goes to the end of the log; the last line of a failure is why. Ends this process."""
    output = log.open("a", buffering=1)
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    sys.stdout = sys.stderr = output
    code = 0
    try:
        work()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        print(leaving.code if isinstance(leaving.code, str) else "", file=sys.stderr)
    except BaseException as error:  # told in one line, which the table shows
        traceback.print_exc()
        print(failure(error), file=sys.stderr)
        code = 1
    output.flush()
    # Nothing is left to save, and continuous batching keeps threads that never end.
    os._exit(code)


def end_group(process: ForkProcess) -> None:
    """Kill what is left of the group: politely, then for certain."""
    assert process.pid is not None, "it was started"
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, wanted)
        except ProcessLookupError:
            break
        process.join(GRACE_SECONDS)
    if process.is_alive():  # killed before it had a group
        process.kill()
    process.join()


def _failed(log: Path, started: int, code: int | None) -> str:
    """The last line that is not blank."""
    with log.open("rb") as output:
        output.seek(started)
        lines = [line.strip() for line in output.read().decode(errors="replace").splitlines() if line.strip()]
    last = lines[-1] if lines else f"exit code {code}"
    return last if last.startswith("failed: ") else f"failed: {last[:300]}"
