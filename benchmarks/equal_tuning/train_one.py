"""One of our runs, and the most memory it took: python -m equal_tuning.train_one CONFIG [key=value ...]."""

import sys
from pathlib import Path

from equal_tuning.peak import Peak
from vineppo.config.load import load_config
from vineppo.trainer import Trainer


def main() -> None:
    """Train to the end, or continue. A run that was interrupted is no finished one."""
    path, *overrides = sys.argv[1:]
    config = load_config(Path(path), overrides)
    with Peak(config):
        if not Trainer(config, resume=True).train().finished:
            sys.exit("interrupted")


if __name__ == "__main__":
    main()
