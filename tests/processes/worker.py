"""Makes runs, one after the other, as one of several processes: `python worker.py JOBS`, a JSON file."""

import json
import os
import sys
from pathlib import Path

from vineppo import Trainer, load_config


def main() -> None:
    for job in json.loads(Path(sys.argv[1]).read_text()):
        # As `accelerate launch --use_fsdp --fsdp_version 2` says it.
        os.environ |= {"ACCELERATE_USE_FSDP": str(job["sharded"]).lower(), "FSDP_VERSION": "2"}
        Trainer(load_config(None, job["overrides"]), resume=job["resume"]).train()


if __name__ == "__main__":
    main()
