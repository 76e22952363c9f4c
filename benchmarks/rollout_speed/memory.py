"""The most memory a process had: resident on a CPU (Linux), allocated by torch on a GPU."""

from pathlib import Path

import torch

STATUS = Path("/proc/self/status")
RESET_PEAK = "5"
"""Written to clear_refs, it sets the peak back to what is resident now (man 5 proc_pid_clear_refs)."""


def held(device: str) -> int:
    """Bytes now."""
    return torch.cuda.memory_allocated() if device == "cuda" else _status("VmRSS")


def peak(device: str) -> int:
    """The most bytes since `reset_peak`."""
    return torch.cuda.max_memory_allocated() if device == "cuda" else _status("VmHWM")


def reset_peak(device: str) -> None:
    """Forget what was held before."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text(RESET_PEAK)


def _status(field: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024
