"""Starts real processes that are one run, as torchrun does: who they are, they read in their environment."""

import socket
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import started

WORKER = Path(__file__).with_name("worker.py")


def start(words: list[str], count: int, logs: Path) -> list[ForkServerProcess]:
    """`count` processes of `python WORDS`, each with a log."""
    logs.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    everybody = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [
        started.start(
            words,
            logs / f"{rank}.log",
            {name: str(value) for name, value in {**everybody, "RANK": rank, "LOCAL_RANK": rank}.items()},
        )
        for rank in range(count)
    ]


def log_of(logs: Path, rank: int) -> str:
    return (logs / f"{rank}.log").read_text()
