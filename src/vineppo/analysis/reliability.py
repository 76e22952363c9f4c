"""How many rollouts does it take to tell steps apart here?

VinePPO measures the advantage of a step as the difference of two means of K rewards. With the true advantage a and the
variances u, w of one rollout's reward before and after it (Bernoulli: v (1 - v)), the measured one has variance
(u + w) / K. At the response's end the value is the reward itself, without noise.

    signal        S = mean of a^2, the truth's own noise taken out
    noise         N = mean of u + w
    reliability   S / (S + N / K), the share of what is measured that is so: 1/2 at K = N / S

and for the steps whose sign the truth knows: the probability that the measured advantage has that sign, 0 counting as
half. For rewards of two values it is exact (two binomials), for others by the normal approximation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, comb, erf, sqrt
from statistics import fmean, median

from vineppo.analysis.records import Reliability, ReliabilityPoint
from vineppo.analysis.truth import separation
from vineppo.analysis.truth_store import Truth

ROLLOUTS = (1, 2, 3, 4, 6, 9, 16, 32, 64, 128, 256)
"""K of the curve."""
CLEAR = 2.0
"""Standard errors by which an advantage that has a sign differs from 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrueStep:
    """The truth before and after a step."""

    before: Truth
    after: Truth
    ends: bool
    """The response is over after it, so `after` is its reward, known exactly."""

    @property
    def advantage(self) -> float:
        """a"""
        return self.after.value - self.before.value

    @property
    def noise(self) -> float:
        """u + w"""
        return self.before.variance + (0.0 if self.ends else self.after.variance)

    @property
    def truth_noise(self) -> float:
        """Variance of the advantage as the truth has it."""
        return self.before.standard_error**2 + (0.0 if self.ends else self.after.standard_error**2)

    @property
    def is_clear(self) -> bool:
        """Whether the truth knows the advantage's sign."""
        if not self.ends:
            return separation(self.before, self.after) > CLEAR
        return abs(self.advantage) > CLEAR * self.before.standard_error


def reliability(steps: Sequence[TrueStep], *, configured: int | None) -> Reliability:
    """The curve over K, the K needed, and a warning where the configured one falls short."""
    clear = [step for step in steps if step.is_clear]
    signal = fmean(step.advantage**2 - step.truth_noise for step in steps)
    noise = fmean(step.noise for step in steps)
    has_signal = signal > 1e-12
    needed = max(1, ceil(noise / signal - 1e-9)) if has_signal else None
    return Reliability(
        steps=len(steps),
        clear_steps=len(clear),
        signal=signal if has_signal else None,
        noise=noise,
        points=tuple(_point(k, signal if has_signal else None, noise, clear) for k in ROLLOUTS),
        rollouts_needed=needed,
        configured=configured,
        warning=_warning(configured, needed, noise / signal if has_signal else None),
    )


def _point(rollouts: int, signal: float | None, noise: float, clear: Sequence[TrueStep]) -> ReliabilityPoint:
    noisy = [abs(step.advantage) / sqrt(step.noise / rollouts) for step in clear if step.noise > 0]
    return ReliabilityPoint(
        rollouts=rollouts,
        reliability=None if signal is None else signal / (signal + noise / rollouts),
        sign_agreement=fmean(sign_agreement(step, rollouts) for step in clear) if clear else None,
        z=median(noisy) if noisy else None,
    )


def sign_agreement(step: TrueStep, rollouts: int) -> float:
    """Probability that K rollouts before and after give the step's true sign; a measured 0 counts as half."""
    better, worse = (step.after, step.before) if step.advantage > 0 else (step.before, step.after)
    rewards = {reward for truth in (better, worse) for reward, _ in truth.counts}
    if len(rewards) > 2:
        gap, noise = abs(step.advantage), step.noise / rollouts
        return 0.5 * (1 + erf(gap / sqrt(2 * noise))) if noise > 0 else 1.0
    high = max(rewards)
    chances = [dict(truth.counts).get(high, 0) / truth.rollouts for truth in (better, worse)]
    exact = [step.ends and truth is step.after for truth in (better, worse)]
    laws = [
        ([1.0 - p, *[0.0] * (rollouts - 1), p] if known else binomial(rollouts, p))
        for p, known in zip(chances, exact, strict=True)
    ]
    return order_probability(*laws)


def binomial(count: int, chance: float) -> list[float]:
    """[count + 1] probabilities of 0 .. count successes."""
    return [comb(count, k) * chance**k * (1 - chance) ** (count - k) for k in range(count + 1)]


def order_probability(larger: Sequence[float], smaller: Sequence[float]) -> float:
    """P(X > Y) + P(X = Y) / 2 for independent X, Y over 0, 1, ... with these laws."""
    below, total = 0.0, 0.0
    for x, y in zip(larger, smaller, strict=True):
        total += x * (below + y / 2)
        below += y
    return total


def _warning(configured: int | None, needed: int | None, ratio: float | None) -> str | None:
    if configured is None or (needed is not None and configured >= needed):
        return None
    if ratio is None:
        return "no step changes the value here by more than the truth's own noise: no number of rollouts shows one"
    return (
        f"K = {configured} is too small here: noise is {ratio / configured:.1f} times the signal in a measured "
        f"advantage; K = {needed} makes them equal"
    )
