"""Processes that run vineppo, forked from one that has already imported it: each starts in no time.

They are like those of `python -m vineppo` in all but that: processes of their own, to be signalled and killed.
"""

import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["vineppo.trainer", "vineppo.policy", "vineppo.engines.torch.engine"])


def start(words: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> ForkServerProcess:
    """`python WORDS`, where they begin with `-m` or a file. What it prints is in `log`."""
    # A daemon, so that none outlives the tests.
    process = CONTEXT.Process(target=run, args=(list(words), log, dict(environment or {})), daemon=True)
    process.start()
    return process


def run(words: list[str], log: Path, environment: Mapping[str, str]) -> None:
    """In the new process."""
    os.environ.update({"OMP_NUM_THREADS": "1", **environment})
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    import torch

    torch.set_num_threads(1)  # its environment was read when it was imported
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")


def send(process: ForkServerProcess, number: signal.Signals) -> None:
    """A signal."""
    assert process.pid is not None
    os.kill(process.pid, number)


def finish(processes: Sequence[ForkServerProcess], *, seconds: float) -> list[int | None]:
    """Their exit codes; None of those that did not end in time. Nobody outlives the test."""
    try:
        for process in processes:
            process.join(seconds)
        return [process.exitcode for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.join()
