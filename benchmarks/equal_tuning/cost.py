"""What a run took: the most memory, beyond what the libraries had before it began, and its core's seconds."""

import json
import time
from pathlib import Path

import torch

from rollout_speed.memory import held, peak, reset_peak
from vineppo.config.schema import Config

COST = "cost.json"
"""Written last of all that a run leaves."""


class Cost:
    """Around a run: writes what it took into its folder, unless it failed."""

    def __init__(self, config: Config):
        self._folder = Path(config.run.dir)
        self._device = "cpu" if config.policy.device == "cpu" or not torch.cuda.is_available() else "cuda"

    def __enter__(self) -> None:
        reset_peak(self._device)
        self._before = held(self._device)
        self._began, self._worked = time.monotonic(), time.process_time()

    def __exit__(self, *failure: object) -> None:
        if failure[0] is None:
            taken = {
                "peak_bytes": peak(self._device) - self._before,
                "seconds": time.monotonic() - self._began,
                "cpu_seconds": time.process_time() - self._worked,
            }
            (self._folder / COST).write_text(json.dumps(taken))
