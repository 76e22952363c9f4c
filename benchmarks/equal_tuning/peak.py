"""The most memory a run took, beyond what the libraries had before it began."""

import json
from pathlib import Path

import torch

from rollout_speed.memory import held, peak, reset_peak
from vineppo.config.schema import Config

MEMORY = "memory.json"
"""Written last of all that a run leaves."""


class Peak:
    """Around a run: writes what it took into its folder, unless it failed."""

    def __init__(self, config: Config):
        self._folder = Path(config.run.dir)
        self._device = "cpu" if config.policy.device == "cpu" or not torch.cuda.is_available() else "cuda"

    def __enter__(self) -> None:
        reset_peak(self._device)
        self._before = held(self._device)

    def __exit__(self, *failure: object) -> None:
        if failure[0] is None:
            taken = peak(self._device) - self._before
            (self._folder / MEMORY).write_text(json.dumps({"peak_bytes": taken}))
