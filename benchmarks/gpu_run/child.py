"""What the process of a part does. It imports what all parts need; whoever forks such processes imports it first."""

import platform
from importlib import metadata

import torch

from gpu_run.assignment import Assignment
from gpu_run.parts import correctness, learning, memory, promises, real, rollouts, update
from gpu_run.plan import Part
from gpu_run.results import Result, Sheet
from rollout_speed.roofs import processor

LIBRARIES = ("torch", "transformers", "vineppo")


def do(assignment: Assignment, command: str, machine: dict[str, str]) -> None:
    """Do the part. Its status is written by whoever started it."""
    sheet = Sheet(Result(part=assignment.part, command=command, allowed=assignment.seconds), assignment.out)
    sheet.machine(machine)
    if assignment.device == "cpu":
        torch.set_num_threads(1)  # such models gain nothing from more
    match assignment.part:
        case Part.CORRECTNESS:
            correctness.measure(assignment, sheet)
        case Part.PROMISES:
            promises.measure(assignment, sheet)
        case Part.ROLLOUTS:
            rollouts.measure(assignment, sheet)
        case Part.UPDATE:
            update.measure(assignment, sheet)
        case Part.MEMORY:
            memory.measure(assignment, sheet)
        case Part.LEARNING:
            learning.measure(assignment, sheet)
        case Part.REAL:
            real.measure(assignment, sheet)


def find_machine(device: str) -> dict[str, str]:
    """What this runs on. Asks the GPU, so processes cannot be forked afterwards."""
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("failed: torch sees no GPU here; give --device cpu, or install torch for CUDA")
    name = torch.cuda.get_device_name() if device == "cuda" else processor()
    return {
        "device": name,
        "kind": device,
        "python": platform.python_version(),
        "CUDA": str(torch.version.cuda or "none"),
        **{library: _version(library) for library in LIBRARIES},
    }


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "from source"
