"""A sweep: one config, axes of settings, seeds. Every combination is a run.

base: ../arithmetic.yaml              # relative to this file; none: the defaults
settings: {credit: vine, training.iterations: 40}   # for all runs, over the base
axes:
  credit.rollouts: [1, 3, 9]
seeds: [0, 1, 2]
dir: runs/sweeps/rollouts
"""

from typing import Self

from pydantic import Field, model_validator

from vineppo.settings.strict import Strict


class SweepConfig(Strict):
    """One study."""

    title: str = ""
    """What it is to show, for people."""
    base: str | None = None
    """The config that all runs start from, relative to the sweep's file; none: the defaults."""
    settings: dict[str, object] = Field(default={})
    """Dotted settings of all runs, over the base."""
    axes: dict[str, list[object]] = Field(default={"credit": ["vine", "tree"]})
    """Dotted settings and their values; several axes make a grid."""
    seeds: list[int] = Field(default=[0, 1, 2], min_length=1)
    """Each combination runs once with each: values of training.seed."""
    dir: str = "runs/sweep"
    """Holds a run directory for each run, and the comparison."""

    @model_validator(mode="after")
    def _makes_runs(self) -> Self:
        empty = [key for key, values in self.axes.items() if not values]
        if not self.axes or empty:
            raise ValueError(
                f"axes{f'.{empty[0]}' if empty else ''} has nothing to vary; give a setting and its values, "
                "e.g. axes: {credit.rollouts: [1, 3, 9]}"
            )
        for key, owner in (("training.seed", "seeds"), ("run.dir", "dir")):
            if key in self.axes or key in self.settings:
                raise ValueError(f"{key} is set by the sweep; give {owner} instead")
        twice = [key for key in self.axes if key in self.settings]
        if twice:
            raise ValueError(f"{twice[0]} is both in settings and in axes; leave it out of one")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {self.seeds} has one twice; the same run would be made twice")
        return self
