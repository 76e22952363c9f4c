"""Steps that begin where the policy was uncertain: SPO's cutpoints.

    cutpoints  c_1 < c_2 < ... :  tokens with exp(logprob) < threshold
    a step begins at 0 and at c_1, c_{1+n}, c_{1+2n}, ...

Guo et al., "Segment Policy Optimization", arXiv 2505.23564. Between two cutpoints the policy had next to no choice, so
a state there has the value of the state at the last cutpoint, and rollouts from it are wasted. Steps with n cutpoints
each minimise the sum of squared cutpoints a step.

Differs from SPO's code in: probabilities are those of the whole sampling law (temperature, top-k, top-p), not of the
temperature alone, because it is this law that rollouts follow; a token that top-p left without rivals is certain.
"""

from collections.abc import Sequence
from math import exp
from typing import ClassVar, Literal

from pydantic import Field

from vineppo.steps.settings import StepsSettings
from vineppo.types import Trajectory


class UncertainSteps(StepsSettings):
    """SPO: a step begins where the policy was uncertain."""

    name: Literal["uncertain"] = "uncertain"
    threshold: float = Field(default=0.9, gt=0, le=1)
    """A token less probable than this under the sampling law is a cutpoint."""
    every: int = Field(default=5, ge=1)
    """A step begins at the first cutpoint and then at every so many-th."""

    needs_tokens: ClassVar[bool] = True
    needs_logprobs: ClassVar[bool] = True

    def build(self) -> "Uncertain":
        """The segmenter."""
        return Uncertain(threshold=self.threshold, every=self.every)


class Uncertain:
    """A step begins at the first uncertain token and then at every `every`-th."""

    def __init__(self, threshold: float = 0.9, every: int = 5):
        self._threshold = threshold
        self._every = every

    def __call__(self, trajectory: Trajectory, token_texts: Sequence[str]) -> tuple[int, ...]:
        """Boundaries in token indices."""
        starts = cutpoints(trajectory.logprobs, self._threshold)[:: self._every]
        return tuple(sorted({0, *starts, len(trajectory.logprobs)}))


def cutpoints(logprobs: Sequence[float], threshold: float) -> list[int]:
    """Where tokens are less probable than `threshold`."""
    return [at for at, logprob in enumerate(logprobs) if exp(logprob) < threshold]
