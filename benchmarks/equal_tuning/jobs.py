"""Many training runs, some side by side, each in a process and on a core of its own. What is finished is left alone."""

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue

from equal_tuning.cost import COST
from equal_tuning.methods import Program

PROGRAMS: dict[Program, str] = {"vineppo": "equal_tuning.train_one", "trl": "equal_tuning.trl_peer"}
PROCESSES = multiprocessing.get_context("forkserver")
"""Runs are forked from a process that has imported what they need: each would spend four seconds on it."""
PROCESSES.set_forkserver_preload(list(PROGRAMS.values()))


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
        return (self.folder / COST).exists()

    @property
    def cost(self) -> dict[str, float]:
        """What a finished run took."""
        return json.loads((self.folder / COST).read_text())

    @property
    def share_of_core(self) -> float:
        """How much of the clock's seconds its core worked for it. A run has one thread."""
        return min(1.0, self.cost["cpu_seconds"] / self.cost["seconds"])


def run_all(title: str, jobs: Sequence[Job], *, workers: int, log: Path) -> None:
    """Run what is not finished, `workers` at a time with one thread each. The first that fails ends all."""
    waiting = [job for job in jobs if not job.is_finished]
    print(f"{title}: {len(jobs)} runs, {len(jobs) - len(waiting)} of them done already", flush=True)
    places: SimpleQueue[int] = SimpleQueue()
    for place in range(workers):
        places.put(place)
    started = time.monotonic()
    os.environ["OMP_NUM_THREADS"] = "1"  # read when the first run imports torch
    log.parent.mkdir(parents=True, exist_ok=True)

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
    process = PROCESSES.Process(target=_work, args=(job, cores[place % len(cores)] if cores else None, log))
    process.start()
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"exit code {process.exitcode} of {PROGRAMS[job.program]} {' '.join(job.words)}")


def _work(job: Job, core: int | None, log: Path) -> None:
    """What such a process does."""
    with log.open("a") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    if core is not None:
        os.sched_setaffinity(0, {core})
    sys.exit(import_module(PROGRAMS[job.program]).main([*job.words, f"run.dir={job.folder}"]))
