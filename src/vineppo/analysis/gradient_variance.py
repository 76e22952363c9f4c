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


@dataclass(frozen=True, kw_only=True, slots=True)
class Sums:
    """All that the figures need of some questions' gradients."""

    count: int
    squares: float
    """sum_q |g_q|^2"""
    square: float
    """|sum_q g_q|^2"""
    along: float
    """sum_q <g_q, r>"""
    reference: float
    """|r|^2"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Products:
    """Inner products of Q questions' gradients."""

    squares: Float[np.ndarray, " q"]
    """|g_q|^2"""
    with_sum: Float[np.ndarray, " q"]
    """<g_q, sum of all>; it serves the errors alone, and may be approximate."""
    along: Float[np.ndarray, " q"]
    """<g_q, r>"""
    square: float
    """|sum_q g_q|^2"""
    reference: float
    """|r|^2"""

    @property
    def sums(self) -> Sums:
        """Over all questions."""
        return Sums(
            count=len(self.squares),
            squares=float(self.squares.sum()),
            square=self.square,
            along=float(self.along.sum()),
            reference=self.reference,
        )

    def without_each(self) -> list[Sums]:
        """Over all questions but one, for each of them."""
        every = self.sums
        return [
            Sums(
                count=every.count - 1,
                squares=every.squares - squares,
                square=every.square - 2 * with_sum + squares,
                along=every.along - along,
                reference=every.reference,
            )
            for squares, with_sum, along in zip(
                self.squares.tolist(), self.with_sum.tolist(), self.along.tolist(), strict=True
            )
        ]


def gradient_score(products: Products, *, reference_variance: float) -> GradientScore:
    """Both figures over Q >= 3 questions, each with its jackknife standard error."""
    signal = signal_of(products.reference, reference_variance)
    relative = None if signal is None else (lambda sums: variance_of_mean(sums) / signal)
    cosine = batch_cosine(products.sums)
    return GradientScore(
        relative_variance=None if relative is None else relative(products.sums),
        relative_variance_error=None if relative is None else jackknife_error(relative, products),
        cosine=cosine,
        cosine_error=None if cosine is None else jackknife_error(lambda sums: batch_cosine(sums) or 0.0, products),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Priced:
    """A source's gradients and what they cost."""

    products: Products
    tokens: float
    """t"""
    is_unbiased: bool

    def noise(self, signal: float) -> float:
        """Over signal, per 1,000 tokens."""
        return self._noise(self.products.sums, signal)

    def noise_without_each(self, signal: float) -> list[float]:
        """Over all questions but one, for each of them."""
        return [self._noise(sums, signal) for sums in self.products.without_each()]

    def _noise(self, sums: Sums, signal: float) -> float:
        strength = signal if self.is_unbiased else (sums.along / sums.count) ** 2 / signal
        return sums.count * variance_of_mean(sums) * self.tokens / (1000 * strength)


def noise_ratio(own: Priced, other: Priced, signal: float | None) -> tuple[float, float, float] | None:
    """How much noisier a source's 1,000 tokens are than another's, with the 95 % interval; None: it cannot be told, or
    one of them has no gradient at all."""
    if min(variance_of_mean(source.products.sums) for source in (own, other)) <= 0:
        return None
    if own is other:
        return 1.0, 1.0, 1.0
    if signal is None:
        if not (own.is_unbiased and other.is_unbiased):
            return None
        signal = 1.0  # it cancels
    found = log_ratio(own.noise(signal), other.noise(signal))
    pairs = zip(own.noise_without_each(signal), other.noise_without_each(signal), strict=True)
    error = 1.96 * spread_of([log_ratio(*pair) for pair in pairs])
    return exp(found), exp(found - error), exp(found + error)


def log_ratio(one: float, other: float) -> float:
    """0 where either is not positive."""
    return log(one / other) if min(one, other) > 0 else 0.0


def signal_of(reference_square: float, reference_variance: float) -> float | None:
    """Squared norm of the true gradient; None where the large-sample one is lost in its own noise."""
    signal = reference_square - reference_variance
    return signal if signal > reference_variance else None


def variance_of_mean(sums: Sums) -> float:
    """Of the mean of the questions' gradients, summed over components."""
    return (sums.squares - sums.square / sums.count) / (sums.count * (sums.count - 1))


def batch_cosine(sums: Sums) -> float | None:
    """Of the mean of the questions' gradients with the large-sample gradient; None where either is 0."""
    size = sqrt(max(sums.square, 0.0) * sums.reference)
    return sums.along / size if size > 0 else None


def jackknife_error(statistic: Callable[[Sums], float], products: Products) -> float:
    """Standard error, from leaving out one question at a time."""
    return spread_of([statistic(sums) for sums in products.without_each()])


def spread_of(parts: Sequence[float]) -> float:
    """The jackknife's standard error of a statistic from its values with one left out."""
    return float(np.std(parts)) * sqrt(len(parts) - 1)
