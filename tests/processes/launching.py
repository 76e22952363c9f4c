"""Starts real processes that are one run, as torchrun does: who they are, they read in their environment."""

import os
import socket
import subprocess
import sys
from pathlib import Path

WORKER = Path(__file__).with_name("worker.py")


def start(command: list[str], count: int, logs: Path) -> list["subprocess.Popen[bytes]"]:
    """`count` processes of `python COMMAND`, each with a log."""
    logs.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in range(count):
        words = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_PORT": port}
        environment = {name: str(value) for name, value in words.items()}
        with (logs / f"{rank}.log").open("wb") as log:
            processes.append(
                subprocess.Popen(
                    [sys.executable, *command],
                    env=os.environ | environment | {"MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
    return processes


def finish(processes: list["subprocess.Popen[bytes]"], *, seconds: float) -> list[int]:
    """Their exit codes. Nobody outlives the test."""
    try:
        return [process.wait(seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def log_of(logs: Path, rank: int) -> str:
    return (logs / f"{rank}.log").read_text()
