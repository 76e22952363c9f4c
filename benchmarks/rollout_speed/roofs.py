"""The machine's roofs, measured: bytes it streams and operations it does in a large matrix product, per second."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from rollout_speed.names import Place
from rollout_speed.results import Roofs

REPEATS = 9
SECONDS = 1.0
"""On a slow machine it is less often repeated."""


def measure_roofs(place: Place) -> Roofs:
    """The best of several repeats, with the threads this process has.

    bandwidth: of copying an array much larger than the caches. speed: of a square matrix product in `place.dtype`.
    """
    large = place.device == "cuda"
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[place.dtype]
    source = torch.ones(2**30 if large else 2**26, dtype=torch.float32, device=place.device)
    target = torch.empty_like(source)
    size = 8192 if large else 2048
    left, right = (torch.randn(size, size, device=place.device).to(dtype) for _ in range(2))
    product = torch.empty_like(left)
    return Roofs(
        bandwidth=2 * source.nbytes / _seconds(lambda: target.copy_(source), place),
        speed=2 * size**3 / _seconds(lambda: torch.mm(left, right, out=product), place),
        device=torch.cuda.get_device_name() if large else processor(),
    )


def _seconds(work: Callable[[], object], place: Place) -> float:
    times = []
    while len(times) < 2 or (len(times) <= REPEATS and sum(times) < SECONDS):
        began = time.perf_counter()
        work()
        if place.device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return min(times[1:])


def processor() -> str:
    """As Linux names it, else as Python does."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"
