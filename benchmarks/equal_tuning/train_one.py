"""One of our runs, and what it took."""

from collections.abc import Sequence
from pathlib import Path

from equal_tuning.cost import Cost
from vineppo.config.load import load_config
from vineppo.trainer import Trainer


def main(words: Sequence[str]) -> int:
    """Train to the end, or continue; the exit code. words: a config and overrides."""
    path, *overrides = words
    config = load_config(Path(path), overrides)
    with Cost(config):
        finished = Trainer(config, resume=True).train().finished
        if not finished:  # no finished run, so nothing is written
            raise SystemExit("interrupted")
    return 0
