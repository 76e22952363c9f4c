"""SPO's probability mask: only tokens at which the policy had a choice learn from the advantage of their step.

    token t learns  iff  exp(logprob_t) < mask_above

Guo et al., "Segment Policy Optimization", arXiv 2505.23564: a step's change of value is the doing of its uncertain
tokens; the others would have been written anyway, and credit for them is noise. Probabilities are those of the sampling
law, as for the steps `uncertain`; a branch's first token has that of the whole law, too. The mask goes with the credit,
and its advantages stay as they are: a zero instead would be counted by the learner's mean.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import exp

from vineppo.types import Credit, Scored


def probability_mask(logprobs: Sequence[float], mask_above: float) -> tuple[bool, ...]:
    """[T] whether each token learns."""
    return tuple(exp(logprob) < mask_above for logprob in logprobs)


def masked(credit: Credit, scored: Scored, mask_above: float | None) -> Credit:
    """The credit with its masks; None: without."""
    if mask_above is None:
        return credit
    return replace(
        credit,
        mask=probability_mask(scored.trajectory.logprobs, mask_above),
        branches=tuple(
            replace(branch, mask=probability_mask(branch.completion.logprobs, mask_above)) for branch in credit.branches
        ),
    )
