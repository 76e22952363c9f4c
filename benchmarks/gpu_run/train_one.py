"""One run, in a process that is forked from one which has imported all that a run needs."""

from collections.abc import Sequence
from pathlib import Path

from vineppo.config.load import load_config
from whole_run import whole_run


def train(words: Sequence[str]) -> None:
    """A config and overrides."""
    path, *overrides = words
    whole_run(load_config(Path(path), overrides), resume=False)
