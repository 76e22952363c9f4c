"""The process of one part, so that a part that hangs, or spoils its GPU, can be killed and costs the others nothing.

python -m gpu_run.child ASSIGNMENT COMMAND: an assignment as JSON (assignment.py), and the command line for the result.
"""

import os
import platform
import sys
import traceback
from importlib import metadata

from pydantic import TypeAdapter

from gpu_run.assignment import Assignment
from gpu_run.plan import Part
from gpu_run.results import Result, Sheet, failure

LIBRARIES = ("torch", "transformers", "vineppo")


def main() -> int:
    """Do the part. Its status is written by whoever started it; the last line of a failure is why."""
    assignment = TypeAdapter(Assignment).validate_json(sys.argv[1])
    sheet = Sheet(Result(part=assignment.part, command=sys.argv[2], allowed=assignment.seconds), assignment.out)
    sheet.machine(machine(assignment.device))
    try:
        do(assignment, sheet)
    except Exception as error:  # told in one line, which the table shows
        traceback.print_exc()
        print(failure(error), flush=True)
        return 1
    sys.stdout.flush()
    # Nothing is left to save, and continuous batching keeps threads that never end.
    os._exit(0)


def do(assignment: Assignment, sheet: Sheet) -> None:
    """Each part imports what it needs."""
    match assignment.part:
        case Part.CORRECTNESS:
            from gpu_run.parts.correctness import measure
        case Part.ROLLOUTS:
            from gpu_run.parts.rollouts import measure
        case Part.UPDATE:
            from gpu_run.parts.update import measure
        case Part.MEMORY:
            from gpu_run.parts.memory import measure
        case Part.LEARNING:
            from gpu_run.parts.learning import measure
        case Part.REAL:
            from gpu_run.parts.real import measure
    measure(assignment, sheet)


def machine(device: str) -> dict[str, str]:
    """What this runs on."""
    import torch

    from rollout_speed.roofs import processor

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


if __name__ == "__main__":
    sys.exit(main())
