"""From a config to a segmenter, every choice a visible match. Torch-free, so that a preview is quick."""

from vineppo.config.schema import (
    DelimiterSteps,
    LinesSteps,
    MathSteps,
    StepsConfig,
    TokensSteps,
    UncertainSteps,
    WholeSteps,
)
from vineppo.seams import Segmenter
from vineppo.steps.delimiter import Delimiter
from vineppo.steps.lines import Lines
from vineppo.steps.math import Math
from vineppo.steps.tokens import Tokens
from vineppo.steps.uncertain import Uncertain
from vineppo.steps.whole import Whole


def build_segmenter(steps: StepsConfig) -> Segmenter:
    """How responses are cut."""
    match steps:
        case LinesSteps():
            return Lines(answer_prefix=steps.answer_prefix)
        case WholeSteps():
            return Whole()
        case MathSteps():
            return Math(shortest=steps.shortest, longest=steps.longest)
        case DelimiterSteps():
            return Delimiter(steps.delimiter)
        case TokensSteps():
            return Tokens(steps.length)
        case UncertainSteps():
            return Uncertain(threshold=steps.threshold, every=steps.every)
