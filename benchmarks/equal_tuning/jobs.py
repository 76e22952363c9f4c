"""Many training runs, some side by side, each in a process and on a core of its own. What is finished is left alone."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from equal_tuning.methods import Program
from equal_tuning.peak import MEMORY

BENCHMARKS = Path(__file__).resolve().parents[1]
PROGRAMS: dict[Program, str] = {"vineppo": "equal_tuning.train_one", "trl": "equal_tuning.trl_peer"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One run."""

    program: Program
    words: tuple[str, ...]
    """A config and overrides, without `run.dir`."""
    folder: Path

    @property
    def is_finished(self) -> bool:
        """Whether it need not run again."""
        return (self.folder / MEMORY).exists()


def run_all(title: str, jobs: Sequence[Job], *, workers: int, log: Path) -> None:
    """Run what is not finished, `workers` at a time with one thread each. The first that fails ends all."""
    waiting = [job for job in jobs if not job.is_finished]
    print(f"{title}: {len(jobs)} runs, {len(jobs) - len(waiting)} of them done already", flush=True)
    places: SimpleQueue[int] = SimpleQueue()
    for place in range(workers):
        places.put(place)
    started = time.monotonic()

    def run(job: Job) -> None:
        place = places.get()
        try:
            run_one(job, place, log)
        finally:
            places.put(place)

    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(run, job): job for job in waiting}
        for done, future in enumerate(as_completed(futures), 1):
            if future.exception() is not None:
                pool.shutdown(wait=False, cancel_futures=True)
                raise SystemExit(f"{futures[future].folder} failed: {future.exception()}; see {log}")
            minutes = (time.monotonic() - started) / 60
            left = minutes / done * (len(waiting) - done)
            print(f"  {title}: {done}/{len(waiting)}  {minutes:.1f} min, about {left:.0f} left", flush=True)


def run_one(job: Job, place: int, log: Path) -> None:
    """In a process of its own, on one core where the system can pin it."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    core = cores[place % len(cores)] if cores else None
    command = [sys.executable, "-m", PROGRAMS[job.program], *job.words, f"run.dir={job.folder}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths())}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        if process.wait() != 0:
            raise RuntimeError(f"exit code {process.returncode} of {' '.join(command)}")


def paths() -> list[str]:
    """Where the children find this package."""
    return [str(BENCHMARKS), *filter(None, [os.environ.get("PYTHONPATH", "")])]
