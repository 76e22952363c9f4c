"""One run, in a process that is forked from one which has imported all that a run needs."""

from collections.abc import Sequence
from pathlib import Path

from vineppo.config.load import load_config
from vineppo.trainer import Trainer


def train(words: Sequence[str]) -> None:
    """A config and overrides."""
    path, *overrides = words
    if not Trainer(load_config(Path(path), overrides)).train().finished:
        raise SystemExit("interrupted")
