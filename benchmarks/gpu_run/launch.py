"""Running a part in a process group of its own, which is killed as a whole when its time is up."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

POLL_SECONDS = 0.2
GRACE_SECONDS = 1.0
"""Between being asked to end and being killed."""
BENCHMARKS = Path(__file__).resolve().parents[1]
ROOT = BENCHMARKS.parent


def environment() -> dict[str, str]:
    """Benchmarks and source come first, and nothing asks the network."""
    paths = [str(BENCHMARKS), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "HF_HUB_OFFLINE": "1"}


def run_within(command: Sequence[str], *, seconds: float, log: Path, poll: Callable[[], None]) -> str:
    """In words how it ended: `done`, `cut off after N s`, or `failed: ` and its last words. `poll` is called often.

    The command and all that it starts are gone when this returns, also when it is interrupted itself.
    """
    with log.open("ab") as output:
        started = output.tell()
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment(), cwd=ROOT, start_new_session=True
        )
        deadline = time.monotonic() + seconds
        try:
            while process.poll() is None and time.monotonic() < deadline:
                poll()
                time.sleep(POLL_SECONDS)
        finally:
            late = process.poll() is None
            end_group(process)
    if late:
        return f"cut off after {seconds:.0f} s"
    return "done" if process.returncode == 0 else _failed(log, started, process.returncode)


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of the group: politely, then for certain."""
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, wanted)
        except ProcessLookupError:
            break
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _failed(log: Path, started: int, code: int) -> str:
    """The last line that is not blank."""
    with log.open("rb") as output:
        output.seek(started)
        lines = [line.strip() for line in output.read().decode(errors="replace").splitlines() if line.strip()]
    last = lines[-1] if lines else f"exit code {code}"
    return last if last.startswith("failed: ") else f"failed: {last[:300]}"
