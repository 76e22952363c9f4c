"""How a response is cut into steps: the settings of `steps`."""

from typing import Annotated, Literal

from pydantic import Field

from vineppo.config.strict import Strict


class LinesSteps(Strict):
    """One step a line."""

    name: Literal["lines"] = "lines"
    answer_prefix: str = "####"
    """A line that starts so states the answer and belongs to the step before it. Empty: every line is a step."""


class WholeSteps(Strict):
    """The whole response is one step."""

    name: Literal["whole"] = "whole"


class MathSteps(Strict):
    """Sentences, displayed formulas and their lines, as the paper cuts MATH."""

    name: Literal["math"] = "math"
    shortest: int = Field(default=20, ge=1)
    """Shorter pieces, in characters, join what follows."""
    longest: int | None = Field(default=100, ge=1)
    """Longer pieces, in characters, are cut at commas and, if need be, inside formulas; none never does so."""


class DelimiterSteps(Strict):
    """A step ends with a given text."""

    name: Literal["delimiter"] = "delimiter"
    delimiter: str = Field(default="\n\n", min_length=1)
    """The end of a step; the default cuts into paragraphs."""


class TokensSteps(Strict):
    """Steps of a fixed length."""

    name: Literal["tokens"] = "tokens"
    length: int = Field(default=32, ge=1)
    """Tokens a step; the last may be shorter."""


class UncertainSteps(Strict):
    """SPO: a step begins where the policy was uncertain."""

    name: Literal["uncertain"] = "uncertain"
    threshold: float = Field(default=0.9, gt=0, le=1)
    """A token less probable than this under the sampling law is a cutpoint."""
    every: int = Field(default=5, ge=1)
    """A step begins at the first cutpoint and then at every so many-th."""


StepsConfig = Annotated[
    LinesSteps | MathSteps | DelimiterSteps | TokensSteps | UncertainSteps | WholeSteps, Field(discriminator="name")
]
