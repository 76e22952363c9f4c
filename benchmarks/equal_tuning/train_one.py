"""One of our runs, and what it took."""

from collections.abc import Sequence
from pathlib import Path

from equal_tuning.cost import Cost
from vineppo.config.load import load_config
from whole_run import whole_run


def main(words: Sequence[str]) -> int:
    """Train to the end, or continue; the exit code. words: a config and overrides."""
    path, *overrides = words
    config = load_config(Path(path), overrides)
    with Cost(config):
        whole_run(config)
    return 0
