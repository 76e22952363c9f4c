"""What a child process may be told to do. Nothing heavy is imported here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from rollout_speed.names import Contender, Model, Place, Setting, Size, Variant


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepare:
    """Write a stage; the result is the model's number of parameters."""

    stage: Path
    model: Model
    variant: Variant
    size: Size
    place: Place
    job: Literal["prepare"] = "prepare"


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureRoofs:
    """The result is a Roofs."""

    place: Place
    job: Literal["roofs"] = "roofs"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """The result is a Measurement."""

    stage: Path
    contender: Contender
    place: Place
    setting: Setting
    trajectories: int
    """The workload's first so many."""
    repeats: int
    seconds: float
    """Fewer repeats, but at least one, once so many are spent."""
    job: Literal["measure"] = "measure"


@dataclass(frozen=True, kw_only=True, slots=True)
class TakeProfile:
    """Of our engine; the result is a Profile."""

    stage: Path
    place: Place
    setting: Setting
    trajectories: int
    job: Literal["profile"] = "profile"


Job = Annotated[Prepare | MeasureRoofs | Measure | TakeProfile, Field(discriminator="job")]
