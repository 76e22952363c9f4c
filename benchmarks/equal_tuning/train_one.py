"""One of our runs, and the most memory it took: python -m equal_tuning.train_one CONFIG [key=value ...]."""

import json
import sys
from pathlib import Path

from rollout_speed.memory import held, peak, reset_peak
from vineppo.config.load import load_config
from vineppo.config.schema import Config
from vineppo.trainer import Trainer

MEMORY = "memory.json"


def main() -> None:
    """Train to the end, or continue."""
    path, *overrides = sys.argv[1:]
    config = load_config(Path(path), overrides)
    with Peak(config):
        Trainer(config, resume=True).train()


class Peak:
    """Writes into the run's folder how much memory a run took beyond what libraries had before."""

    def __init__(self, config: Config):
        self._folder = Path(config.run.dir)
        self._device = "cpu" if config.policy.device == "cpu" else default_device()

    def __enter__(self) -> None:
        reset_peak(self._device)
        self._before = held(self._device)

    def __exit__(self, *failure: object) -> None:
        if failure[0] is None:
            taken = peak(self._device) - self._before
            (self._folder / MEMORY).write_text(json.dumps({"peak_bytes": taken}))


def default_device() -> str:
    """What `policy.device=auto` takes."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    main()
