"""Finetuning on a fixed set of items: epochs of updates with an optimizer and a schedule of their own."""

from collections.abc import Callable, Sequence

from torch import nn

from vineppo.learner.minibatches import minibatches
from vineppo.learner.optimizer import policy_optimizer
from vineppo.metrics import Metrics, mean_metrics
from vineppo.seams import Progress
from vineppo.settings.learner import LearnerConfig

Accumulate = Callable[[Sequence[int]], Metrics]
"""Adds the gradient of the mean loss over the items of these indices; returns what it measured."""


class Finetuning:
    """From the weights as they are, `epochs` passes over `num_items` items in minibatches.

    Nothing of it outlasts the last epoch but the weights: the next finetuning begins with a fresh optimizer.
    """

    def __init__(self, policy: nn.Module, settings: LearnerConfig, *, num_items: int, epochs: int, seed: int):
        self._num_items, self._size, self._seed = num_items, settings.minibatch, seed
        self._planned = epochs * -(-num_items // settings.minibatch)
        self._optimizer = policy_optimizer(policy, settings, updates=self._planned)
        self._results: list[Metrics] = []

    @property
    def updates(self) -> int:
        """Made so far."""
        return len(self._results)

    def epoch(self, epoch: int, accumulate: Accumulate, *, progress: Progress) -> None:
        """One pass, every item once, in an order that `epoch` decides."""
        for chosen in minibatches(self._num_items, size=self._size, seed=self._seed, epoch=epoch):
            learning_rate = self._optimizer.learning_rate
            measured = accumulate(chosen)
            norm = self._optimizer.step()
            finite = {} if norm is None else {"grad_norm": norm}
            self._results.append({**measured, **finite, "learning_rate": learning_rate})
            progress(self.updates, self._planned)

    def metrics(self) -> Metrics:
        """Means over the updates made so far, and how many there were."""
        return {
            **mean_metrics(self._results),
            "learning_rate": self._results[-1]["learning_rate"],
            "updates_made": float(self.updates),
            "updates_nonfinite": float(sum("grad_norm" not in result for result in self._results)),
        }
