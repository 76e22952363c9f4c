"""Chains of decisions with knobs, and a tabular policy for them: the gradient of its success is known exactly.

A response is N steps, each one decision token and then sure filler tokens, and an end token. A chain is whole at first.
At a decision that matters a wrong option breaks it; what is broken stays so, or is mended by the right option at a
later such decision (`mend`: the chance of it at the start). The reward is 1 if the chain ends whole.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

END, RIGHT = 0, 1
WHOLE, BROKEN = 0, 1


@dataclass(frozen=True, kw_only=True)
class Chain:
    """One family at one setting of its knobs."""

    decisions: int
    right: float
    """Chance of the right option at the start; the wrong ones share the rest."""
    matter: int
    """How many of the decisions matter, spread evenly. Errors in the others are harmless."""
    mend: float = 0.0
    """0: an error is final."""
    options: int = 4
    tokens_per_step: int = 1

    @property
    def name(self) -> str:
        """Says every knob."""
        return (
            f"N{self.decisions} right{self.right:.4g} matter{self.matter} mend{self.mend:g} "
            f"options{self.options} step{self.tokens_per_step}"
        )

    @property
    def title(self) -> str:
        """For people."""
        matter = "all" if self.matter == self.decisions else str(self.matter)
        mend = f", mended at {self.mend:g}" if self.mend else ""
        step = f", {self.tokens_per_step} tokens a step" if self.tokens_per_step > 1 else ""
        return f"{self.decisions} decisions, {matter} matter, right at {self.right:.3g}{mend}{step}"

    @property
    def length(self) -> int:
        """Tokens of a response; all are as long."""
        return self.decisions * self.tokens_per_step + 1

    @property
    def filler(self) -> int:
        """The token."""
        return self.options + 1

    @property
    def prompt(self) -> tuple[int, ...]:
        """Its tokens."""
        return (self.options + 2,)

    @property
    def bounds(self) -> tuple[int, ...]:
        """Of the steps; the end token belongs to the last."""
        return (*range(0, self.length - 1, self.tokens_per_step), self.length)

    @cached_property
    def matters(self) -> np.ndarray:
        """[N] bool. The last decision matters."""
        reached = np.arange(self.decisions + 1) * self.matter // self.decisions
        return np.diff(reached) > 0

    @cached_property
    def after(self) -> np.ndarray:
        """[N, 2, options] the state after each option in each state."""
        after = np.empty((self.decisions, 2, self.options), int)
        after[:] = np.array([WHOLE, BROKEN])[None, :, None]
        after[self.matters, :, 0] = [WHOLE, WHOLE if self.mend else BROKEN]
        after[self.matters, :, 1:] = BROKEN
        return after

    @cached_property
    def rows(self) -> np.ndarray:
        """[N, 2] which row of the policy's table decides. A broken chain has rows of its own where it can be mended."""
        own = np.arange(self.decisions)
        mending = np.cumsum(self.matters) - 1 + self.decisions
        return np.stack([own, np.where(self.matters & bool(self.mend), mending, own)], axis=1)

    def start(self) -> np.ndarray:
        """[rows, options] logits."""
        chances = np.full(self.rows.max() + 1, self.right)
        chances[self.decisions :] = self.mend
        wrong = np.log((1 - chances) / (self.options - 1))
        return np.concatenate([np.log(chances)[:, None], np.repeat(wrong[:, None], self.options - 1, axis=1)], axis=1)

    def options_of(self, tokens: np.ndarray) -> np.ndarray:
        """[n, N] decisions, from 0, of [n, T] responses."""
        return tokens[:, : self.length - 1 : self.tokens_per_step] - RIGHT

    def states(self, options: np.ndarray) -> np.ndarray:
        """[n, N + 1] the state before each decision and at the end."""
        states = np.full((len(options), self.decisions + 1), WHOLE)
        for k in range(self.decisions):
            states[:, k + 1] = self.after[k, states[:, k], options[:, k]]
        return states


def softmax(logits: np.ndarray) -> np.ndarray:
    """[rows, options] probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
