"""How noisy is the policy gradient that a credit gives? Pure numerics on inner products of the questions' gradients.

    g      = mean of the gradients g_q of the batch's Q questions
    r      = the same over many other questions: the large-sample gradient
    noise  = sum_q |g_q - g|^2 / (Q (Q - 1)), the variance of g summed over components
    signal = |r|^2, the variance of r itself taken out

The noise is what bootstrap resamples of the questions show, times Q / (Q - 1), without the resampling: the limit of
infinitely many. Relative variance is noise / signal: 1 means that a batch of this size moves the policy as far at
random as on purpose. Cosine is that of g with r.

What counts is noise for its price. With t decoded tokens a question, a batch of T tokens has T / t questions, hence

    noise over signal per 1,000 tokens = Q noise t / (1000 signal)

Sources without bias have one signal, so the ratio of two of them needs no large-sample gradient: it is that of
Q noise t, and known well from few questions, since both credit the same trajectories. A source with a bias has the
signal of its projection on r.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from jaxtyping import Float

from vineppo.analysis.records import GradientScore

Gram = Float[np.ndarray, "m m"]
"""Inner products of Q gradients and, last, of r: m = Q + 1."""


def gradient_score(gram: Gram, *, reference_variance: float) -> GradientScore:
    """Both figures over Q >= 3 questions, each with its jackknife standard error."""
    signal = signal_of(gram[-1, -1], reference_variance)
    relative = None if signal is None else (lambda kept: variance_of_mean(kept) / signal)
    return GradientScore(
        relative_variance=None if relative is None else relative(gram),
        relative_variance_error=None if relative is None else jackknife_error(relative, gram),
        cosine=batch_cosine(gram),
        cosine_error=jackknife_error(batch_cosine, gram),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Priced:
    """A source's gradients and what they cost."""

    gram: Gram
    tokens: float
    """t"""
    is_unbiased: bool

    def noise(self, kept: Sequence[int], signal: float) -> float:
        """Over signal, per 1,000 tokens, from the kept questions."""
        own = self.gram[np.ix_([*kept, -1], [*kept, -1])]
        strength = signal if self.is_unbiased else float(own[:-1, -1].mean()) ** 2 / signal
        return len(kept) * variance_of_mean(own) * self.tokens / (1000 * strength)


def noise_ratio(own: Priced, other: Priced, signal: float | None) -> tuple[float, float, float] | None:
    """How much noisier a source's 1,000 tokens are than another's, with the 95 % interval; None: it cannot be told, or
    one of them has no gradient at all."""
    if min(variance_of_mean(own.gram), variance_of_mean(other.gram)) <= 0:
        return None
    if own is other:
        return 1.0, 1.0, 1.0
    if signal is None:
        if not (own.is_unbiased and other.is_unbiased):
            return None
        signal = 1.0  # it cancels
    known, count = signal, len(own.gram) - 1

    def ratio(kept: Sequence[int]) -> float:
        noises = own.noise(kept, known), other.noise(kept, known)
        return log(noises[0] / noises[1]) if min(noises) > 0 else 0.0

    found = ratio(range(count))
    parts = [ratio([*range(left), *range(left + 1, count)]) for left in range(count)]
    error = 1.96 * float(np.std(parts)) * sqrt(count - 1)
    return exp(found), exp(found - error), exp(found + error)


def signal_of(reference_square: float, reference_variance: float) -> float | None:
    """Squared norm of the true gradient; None where the large-sample one is lost in its own noise."""
    signal = reference_square - reference_variance
    return signal if signal > reference_variance else None


def variance_of_mean(gram: Gram) -> float:
    """Of the mean of the questions' gradients, summed over components."""
    count = len(gram) - 1
    own = gram[:count, :count]
    return float((np.trace(own) - own.sum() / count) / (count * (count - 1)))


def batch_cosine(gram: Gram) -> float:
    """Of the mean of the questions' gradients with the large-sample gradient; 0 where either is 0."""
    count = len(gram) - 1
    size = sqrt(max(gram[:count, :count].mean(), 0.0) * gram[-1, -1])
    return float(gram[:count, -1].mean() / size) if size > 0 else 0.0


def jackknife_error(statistic: Callable[[Gram], float], gram: Gram) -> float:
    """Standard error, from leaving out one question at a time."""
    count = len(gram) - 1
    parts = [statistic(np.delete(np.delete(gram, i, axis=0), i, axis=1)) for i in range(count)]
    return float(np.std(parts) * sqrt(count - 1))
