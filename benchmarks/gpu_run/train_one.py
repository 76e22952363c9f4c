"""One run in a process that is forked from one which has imported all that a run needs, so that none waits for that."""

import os
import traceback
from collections.abc import Sequence
from pathlib import Path

from gpu_run.results import failure
from vineppo.config.load import load_config
from vineppo.trainer import Trainer


def warm() -> None:
    """Nothing: whoever is asked this has been started."""


def train(words: Sequence[str], log: Path) -> None:
    """A config and overrides. The log ends with why it failed, if it did."""
    with log.open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    path, *overrides = words
    try:
        Trainer(load_config(Path(path), overrides)).train()
    except Exception as error:  # the log is all that is left of this process
        traceback.print_exc()
        print(failure(error), flush=True)
        raise SystemExit(1) from error
