"""Which questions come next: the settings of `curriculum`, one class per way of choosing."""

from typing import Annotated, Literal

from pydantic import Field

from vineppo.config.strict import Strict


class UniformCurriculum(Strict):
    """Drawn anew each iteration."""

    name: Literal["uniform"] = "uniform"


class EpochCurriculum(Strict):
    """Every question once before any comes again, but for a remainder that does not fill an iteration."""

    name: Literal["epoch"] = "epoch"


class LearnabilityCurriculum(Strict):
    """LILO: each iteration tries several times as many questions, and trains on those that can teach most."""

    name: Literal["learnability"] = "learnability"
    candidates_per_question: int = Field(default=4, ge=1)
    """Questions tried for each one that is trained on."""
    attempts: int = Field(default=8, ge=2)
    """Responses per candidate; a question's learnability is the variance of their rewards, p (1 - p)."""
    reuse: bool = True
    """Attempts at the chosen questions serve as their trajectories; false samples those anew."""


class LearnabilityBufferCurriculum(Strict):
    """SFL: every so often many questions are tried; part of each batch comes from the most learnable of them."""

    name: Literal["learnability_buffer"] = "learnability_buffer"
    candidates: int = Field(default=1280, ge=1)
    """N, questions tried at each refresh."""
    attempts: int = Field(default=8, ge=2)
    """L, responses per candidate; a question's learnability is the variance of their rewards, p (1 - p)."""
    keep: int = Field(default=256, ge=1)
    """K, the most learnable of the candidates; those that teach nothing never enter."""
    every: int = Field(default=50, ge=1)
    """T, iterations between refreshes."""
    share: float = Field(default=0.5, ge=0, le=1)
    """Of each iteration's questions, from the buffer; the others are drawn uniformly."""


CurriculumConfig = Annotated[
    UniformCurriculum | EpochCurriculum | LearnabilityCurriculum | LearnabilityBufferCurriculum,
    Field(discriminator="name"),
]
