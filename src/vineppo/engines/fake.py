"""An engine over an explicit law: for tests and for policies small enough to enumerate."""

import random
from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from math import log
from typing import TYPE_CHECKING

from vineppo.engines.stops import Decode
from vineppo.rng import derive_seed
from vineppo.seams import Progress
from vineppo.types import Completion, Finish, Request, Sampling

if TYPE_CHECKING:
    from torch import Tensor

Law = Callable[[tuple[int, ...]], Sequence[float]]
"""A token prefix to the probability of each next token."""


class FakeEngine:
    """Samples from `law` as it is: temperature, top-k and top-p are taken to be applied in it."""

    def __init__(self, law: Law, *, end_ids: Sequence[int], decode: Decode | None = None):
        """decode: for stop strings."""
        self._law = law
        self._end_ids = frozenset(end_ids)
        self._decode = decode
        self._policy_version = 0
        self.requests: list[Request] = []
        """All requests so far, for tests to look at."""

    @property
    def policy_version(self) -> int:
        """Set by load_weights."""
        return self._policy_version

    def load_weights(self, state: "Mapping[str, Tensor]", *, policy_version: int) -> None:
        """There are no weights; the version is noted."""
        self._policy_version = policy_version

    def sleep(self) -> None:
        """It holds nothing."""

    def sample(
        self, requests: Sequence[Request], sampling: Sampling, *, progress: Progress | None = None
    ) -> list[tuple[Completion, ...]]:
        """One continuation after the other."""
        self.requests.extend(requests)
        return [tuple(self._continue(request, sampling, draw) for draw in range(request.count)) for request in requests]

    def _continue(self, request: Request, sampling: Sampling, draw: int) -> Completion:
        rng = random.Random(derive_seed(request.seed, draw))
        limit = sampling.max_new_tokens if request.max_new_tokens is None else request.max_new_tokens
        tokens: list[int] = []
        logprobs: list[float] = []
        ended = False
        while len(tokens) < limit and not ended:
            law = self._law((*request.prefix, *tokens))
            if not tokens and request.forbidden_first:
                law = [0.0 if token in request.forbidden_first else chance for token, chance in enumerate(law)]
            below = list(accumulate(law))
            if not below[-1]:
                raise ValueError("the forbidden tokens are the only ones the law allows here: their probability is 1")
            token = bisect(below, rng.random() * below[-1], 0, len(below) - 1)
            tokens.append(token)
            logprobs.append(log(law[token] / below[-1]))
            ended = token in self._end_ids or self._stopped(request, tokens, sampling.stop)
        return Completion(
            token_ids=tuple(tokens),
            logprobs=tuple(logprobs),
            finish=Finish.TERMINATED if ended else Finish.TRUNCATED,
            policy_version=self._policy_version,
        )

    def _stopped(self, request: Request, tokens: Sequence[int], stop: Sequence[str]) -> bool:
        """By the definition; see `vineppo.engines.stops`, which is quicker."""
        if not stop:
            return False
        if self._decode is None:
            raise ValueError(f"the sampling law has stop strings {stop}, but the engine was made without `decode`")
        text = self._decode((*request.written, *tokens))
        return any(own in text for own in stop)
