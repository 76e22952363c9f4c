"""GRPO-lambda: GRPO's advantage, and an eligibility trace over the policy's log-ratios instead of a value network.

    A_i     = max((R_i - mean(R)) / std(R), least_advantage), for every token
    ratio_t = exp(sum_{k <= t} w(t, k) (log pi(token k) - log pi_old(token k)))
    w(t, k) = lambda^(t - k)                          trace=recent
              max(lambda^(t - k), lambda^k)           trace=both, the better one in the paper
    loss    = - mean over responses of mean_t min(ratio_t A, clip(ratio_t) A)

"GRPO-lambda: Credit Assignment improves LLM Reasoning", arXiv 2510.00194, with gamma = 1. GAE's sum over later errors
is moved from the advantages to the log-ratios, with A in the place of each token's error; so the credit of this file is
GRPO's, and the rest is the learner's general `Trace` (`vineppo.learner.pooling`, which says what it does to the
gradient). Early tokens get more of the outcome, whatever they did: it needs no rollouts and measures no states.

lambda = 0 with trace=recent and without least_advantage is GRPO. With trace=both it is not: 0^0 keeps the first token
in every sum.

The paper's code is not public. Chosen here: the standard deviation is the sample's, as in our GRPO; only the trace is
there, not the paper's other application of the weights ("epsilon-weight"), whose formula we could not read; the KL to
the starting policy is this learner's, summed over a response's tokens. The paper finetunes before it trains, and its
clamp of negative advantages has no ablation. Branches and masks: as in `vineppo.learner.pooling`.
"""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from vineppo.credit.group import GroupAssigner, grpo
from vineppo.credit.settings import CreditParts, CreditSettings
from vineppo.settings.learner import Average, Trace


class GrpoLambdaCredit(CreditSettings):
    """GRPO-lambda: GRPO's advantage, and a trace over the log-ratios that gives early tokens more of it."""

    name: Literal["grpo_lambda"] = "grpo_lambda"
    trace: Literal["recent", "both"] = "both"
    """Which earlier tokens share a token's ratio: recent ones, or those at the response's start as well."""
    trace_lambda: float = Field(default=0.99, ge=0, le=1)
    """Decay of the trace per token; 0 with trace=recent: none."""
    least_advantage: float | None = Field(default=-0.1, le=0)
    """Advantages below it are raised to it; null leaves them."""

    least_trajectories: ClassVar[int] = 2

    def build(self, parts: CreditParts) -> GroupAssigner:
        """The method at work."""
        return GroupAssigner(partial(clamped_grpo, least=self.least_advantage))

    @property
    def average(self) -> Average:
        """Every response has the same weight, as in GRPO."""
        return "responses"

    @property
    def ratio(self) -> Trace:
        """Over a token and all before it."""
        return Trace(decay=self.trace_lambda, since_start=self.trace == "both")


def clamped_grpo(rewards: Sequence[float], *, least: float | None) -> list[float]:
    """[G] rewards of a group of at least two to [G] advantages, none below `least`; None: as they are."""
    advantages = grpo(rewards)
    return advantages if least is None else [max(advantage, least) for advantage in advantages]
