"""Starting a child process for a job, and reading its result."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from pydantic import TypeAdapter

from rollout_speed.jobs import Job

BENCHMARKS = Path(__file__).resolve().parents[1]
SOURCE = BENCHMARKS.parent / "src"


class ChildFailed(Exception):
    """The child's last words."""


def run(job: Job, *, python: str, threads: int, log: Path, seconds: float) -> bytes:
    """The job's result as JSON. Raises ChildFailed with the child's last words."""
    paths = [str(BENCHMARKS), str(SOURCE), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "HF_HUB_OFFLINE": "1",
    }
    with tempfile.TemporaryDirectory() as folder, log.open("a") as output:
        result = Path(folder) / "result.json"
        started = output.tell()
        command = [python, "-m", "rollout_speed.child", TypeAdapter[Job](Job).dump_json(job).decode(), str(result)]
        try:
            subprocess.run(command, env=environment, stdout=output, stderr=output, timeout=seconds, check=True)
        except subprocess.TimeoutExpired as error:
            raise ChildFailed(f"not done after {seconds:.0f} s") from error
        except subprocess.CalledProcessError as error:
            raise ChildFailed(_last_words(log, started) or f"exit code {error.returncode}") from error
        except FileNotFoundError as error:
            raise ChildFailed(f"there is no {python}") from error
        return result.read_bytes()


def _last_words(log: Path, started: int) -> str:
    """The last line that is not blank: where a Python program dies, its exception. vLLM puts its rank before it."""
    with log.open() as output:
        output.seek(started)
        lines = [line.strip() for line in output if line.strip()]
    return re.sub(r"^\[rank\d+\]:\s*", "", lines[-1]) if lines else ""
