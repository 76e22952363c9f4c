"""A training run that a benchmark needs whole."""

from vineppo.config.schema import Config
from vineppo.metrics import Metrics
from vineppo.trainer import Trainer


def whole_run(config: Config, *, resume: bool = True) -> list[Metrics]:
    """Train to the end, or continue; the lines of its metrics.

    A trainer that is told to stop saves and returns: then SystemExit is raised, lest the part be taken for the whole,
    or the next run begin.
    """
    result = Trainer(config, resume=resume).train()
    if not result.finished:
        raise SystemExit("stopped before the end")
    return result.metrics
