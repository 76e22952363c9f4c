"""How loud an estimator is: variance of a question's gradient over the squared true one, and what a question costs."""

import time
from dataclasses import dataclass

import numpy as np

from chain_map.engine import ChainEngine, environment, sample_groups
from chain_map.exact import exact
from chain_map.family import Chain
from chain_map.gradient import question_gradients
from chain_map.methods import Method
from vineppo.rng import derive_seed


@dataclass(frozen=True, kw_only=True)
class Loudness:
    """Of one method on one policy."""

    noise: float
    """Variance, summed over components, over the squared norm of what the mean has along the true gradient."""
    error: float
    """Relative standard error of it; 0 where it is a closed form."""
    trajectory_tokens: float
    """Per question."""
    rollout_tokens: float
    trajectories: float
    rollouts: float
    scale: float
    """The mean's part along the true gradient, in units of it: 1 for what is unbiased."""
    scale_error: float
    cosine: float
    """Of the mean and the true gradient, as far as the samples can tell; 1 for what is unbiased."""
    questions: int
    """Sampled."""

    def per_token(self, *, judging: float = 0.0, rollout_price: float = 1.0) -> float:
        """Noise times cost. judging: of a response, in tokens. rollout_price: of a rollout's token and its judging."""
        own = self.trajectory_tokens + judging * self.trajectories
        return self.noise * (own + rollout_price * (self.rollout_tokens + judging * self.rollouts))


@dataclass(frozen=True, kw_only=True)
class Precision:
    """When to stop sampling: the relative error is small, or fair after a while, or time is up."""

    error: float = 0.03
    seconds: float = 1.0
    fair: float = 0.06
    most_seconds: float = 1.5
    questions: int = 64
    """At a time, and at least."""

    def is_reached(self, error: float, seconds: float) -> bool:
        """Whether to stop."""
        return error < (self.error if seconds < self.seconds else self.fair) or seconds > self.most_seconds


def draw(
    chain: Chain, logits: np.ndarray, method: Method, questions: int, seed: int
) -> tuple[np.ndarray, ChainEngine, int]:
    """[questions, rows, options] gradients; the engine knows the cost; tokens of trajectories alone."""
    engine = ChainEngine(chain, logits)
    place = environment(chain, engine)
    scored = sample_groups(place, chain, questions=questions, group=method.group, seed=derive_seed(seed, "sample"))
    tokens = engine.tokens
    credits = method.build(place, chain, logits)(scored, seed=derive_seed(seed, "credit"))
    return question_gradients(chain, logits, scored, credits, method.group), engine, tokens


def loudness(chain: Chain, logits: np.ndarray, method: Method, precision: Precision, seed: int) -> Loudness:
    """A closed form where there is one, samples else."""
    known = exact(chain, logits)
    if method.noise is None:
        return sampled_loudness(chain, logits, method, precision, seed)
    variance, scale = method.noise(known, method.group)
    return Loudness(
        noise=variance / (scale**2 * (known.gradient**2).sum()),
        error=0.0,
        trajectory_tokens=method.group * chain.length,
        rollout_tokens=0.0,
        trajectories=method.group,
        rollouts=0.0,
        scale=scale,
        scale_error=0.0,
        cosine=1.0,
        questions=0,
    )


def sampled_loudness(chain: Chain, logits: np.ndarray, method: Method, precision: Precision, seed: int) -> Loudness:
    """Batch after batch until it is known well enough."""
    truth = exact(chain, logits).gradient.ravel()
    drawn: list[np.ndarray] = []
    responses = tokens = own_tokens = rounds = 0
    size, begun = max(2, precision.questions // 8), time.monotonic()
    while True:
        gradients, engine, own = draw(chain, logits, method, size, derive_seed(seed, rounds))
        drawn.append(gradients.reshape(len(gradients), -1))
        responses += engine.responses
        tokens += engine.tokens
        own_tokens += own
        rounds += 1
        seconds, questions = time.monotonic() - begun, sum(map(len, drawn))
        if questions >= precision.questions or seconds > precision.most_seconds:
            found = summary(np.concatenate(drawn), truth, unbiased=method.unbiased)
            if precision.is_reached(found["error"], seconds):
                break
        size = min(precision.questions, 2 * size)
    return Loudness(
        **found,
        trajectory_tokens=own_tokens / questions,
        rollout_tokens=(tokens - own_tokens) / questions,
        trajectories=method.group,
        rollouts=responses / questions - method.group,
        questions=questions,
    )


def summary(drawn: np.ndarray, truth: np.ndarray, *, unbiased: bool) -> dict[str, float]:
    """What [n, parameters] gradients say of the noise and of the mean."""
    signal, mean, count = truth @ truth, drawn.mean(axis=0), len(drawn)
    along = drawn @ truth / signal
    scale, scale_error = along.mean(), along.std(ddof=1) / count**0.5
    squares = ((drawn - (truth if unbiased else mean)) ** 2).sum(axis=1)
    variance = squares.mean() if unbiased else squares.sum() / (count - 1)
    error = squares.std(ddof=1) / count**0.5 / squares.mean()
    length = max(mean @ mean - variance / count, scale**2 * signal)  # without what chance adds to it
    return {
        "noise": float(variance / signal / (1.0 if unbiased else scale**2)),
        "error": float(error if unbiased else np.hypot(error, 2 * scale_error / scale)),
        "scale": float(scale),
        "scale_error": float(scale_error),
        "cosine": 1.0 if unbiased else float(scale * (signal / length) ** 0.5),
    }
