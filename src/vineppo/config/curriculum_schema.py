"""Which questions come next: the settings of `curriculum`."""

from typing import Literal

from vineppo.config.strict import Strict


class CurriculumConfig(Strict):
    """Which questions come next."""

    name: Literal["uniform", "epoch"] = "uniform"
    """uniform: drawn anew each iteration; epoch: every question once before any comes again, but
    for a remainder that does not fill an iteration: another one sits out each epoch."""
