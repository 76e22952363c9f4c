"""The true value of a state: the mean reward of many rollouts from it, independent of every prediction.

Their seed is a stream of its own that no credit method draws from, and the same for every analysis: the truth of a
state is a function of the policy's weights, the state, the sampling law, the task and the number of rollouts. So it can
be remembered, and all sources and later analyses share it (`truth_store.py`).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt

from vineppo.analysis.stages import within
from vineppo.analysis.truth_store import Truth, TruthStore
from vineppo.environment import Environment, State
from vineppo.rng import derive_seed
from vineppo.seams import Progress
from vineppo.types import Rollout, Sampling, prompt_text

SEED = derive_seed("truth")
CHUNK = 8192
"""Rollouts between two writes to the disk: what a kill can lose."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TruthMeter:
    """Measures states, once each."""

    environment: Environment
    sampling: Sampling
    rollouts: int
    """Per state."""
    store: TruthStore
    policy: str
    """Digest of the weights."""
    task: str
    """What decides rewards, besides the question."""

    def measure(
        self, states: Sequence[State], *, progress: Progress | None = None
    ) -> tuple[dict[State, Truth], frozenset[State]]:
        """The truth of each distinct state, and which were known already."""
        keys = {state: self.key(state) for state in dict.fromkeys(states)}
        found = self.store.read(list(keys.values()))
        known = {state: found[key] for state, key in keys.items() if key in found}
        missing = [state for state in keys if state not in known]
        per_chunk = max(1, CHUNK // self.rollouts)
        fresh: dict[State, Truth] = {}
        for start in range(0, len(missing), per_chunk):
            chunk = missing[start : start + per_chunk]
            groups = self.environment.rollouts(
                chunk,
                count=self.rollouts,
                sampling=self.sampling,
                seed=SEED,
                progress=within(progress, start * self.rollouts, len(missing) * self.rollouts),
            )
            measured = {state: count_rewards(group) for state, group in zip(chunk, groups, strict=True)}
            self.store.write({keys[state]: truth for state, truth in measured.items()})
            fresh |= measured
        return known | fresh, frozenset(known)

    def key(self, state: State) -> str:
        """A digest of all that the truth depends on."""
        question = state.question
        parts = {
            "policy": self.policy,
            "state": [list(state.prompt_ids), list(state.response_ids)],
            "sampling": asdict(self.sampling),
            "task": self.task,
            "question": [question.id, prompt_text(question.prompt), question.answer],
            "columns": dict(question.columns),
            "rollouts": self.rollouts,
        }
        text = json.dumps(parts, sort_keys=True, default=str)
        return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def count_rewards(rollouts: Sequence[Rollout]) -> Truth:
    """How often each reward came, and the tokens it took."""
    counts: dict[float, int] = {}
    for rollout in rollouts:
        counts[rollout.reward] = counts.get(rollout.reward, 0) + 1
    return Truth(
        counts=tuple(sorted(counts.items())), tokens=sum(len(rollout.completion.token_ids) for rollout in rollouts)
    )


def separation(one: Truth, other: Truth) -> float:
    """How many standard errors lie between two truths; 0 where both are the same constant.

    The pooled two-sample z: all rewards together have the variance, so that a state whose rollouts all ended alike is
    not taken for one that is known exactly.
    """
    n, m, gap = one.rollouts, other.rollouts, one.value - other.value
    if gap == 0:
        return 0.0
    squares = n * one.spread + m * other.spread + n * m / (n + m) * gap * gap
    return abs(gap) / sqrt(squares / (n + m - 1) * (1 / n + 1 / m))
