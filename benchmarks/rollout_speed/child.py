"""A process of its own for each thing that is measured, so that none inherits another's memory, threads or caches.

python -m rollout_speed.child JOB RESULT: a job as JSON (jobs.py), and the file its result is written to.
"""

import os
import sys
from pathlib import Path

from pydantic import TypeAdapter

from rollout_speed.jobs import Job, Measure, MeasureRoofs, Prepare, TakeProfile


def main() -> None:
    """Do the job."""
    job = TypeAdapter[Job](Job).validate_json(sys.argv[1])
    Path(sys.argv[2]).write_bytes(TypeAdapter(object).dump_json(do(job)))
    sys.stdout.flush()
    # Nothing is left to save, and some contenders keep threads that never end.
    os._exit(0)


def do(job: Job) -> object:
    """Each job imports only what it needs: vLLM's environment need not have this library."""
    match job:
        case Prepare():
            from rollout_speed.prepare import prepare

            return prepare(job)
        case MeasureRoofs():
            from rollout_speed.roofs import measure_roofs

            return measure_roofs(job.place)
        case Measure():
            from rollout_speed.measure import measure

            return measure(job)
        case TakeProfile():
            from rollout_speed.profiling import take_profile

            return take_profile(job)


if __name__ == "__main__":
    main()
