"""RestEM: finetune the starting policy on the responses the judge accepts, sample from the result, repeat.

for each iteration:
    E   sample N responses a question from the policy; keep the accepted ones, distinct, at most M a question
    M   from the *starting* policy, maximise the likelihood of what was kept, for some epochs
        take the epoch that does best on held-out training questions

Singh et al., "Beyond Human Data", arXiv 2312.06585, algorithm 1; the baseline of VinePPO (N = 8, M = 10, 10 iterations
over all questions, 8 epochs, batch 64, learning rate 1e-6). It credits all tokens of a response alike, and learns from
successes only. Where nothing was accepted there is nothing to learn: the policy stays as it is.

Differs from VinePPO's code in: repeated responses are dropped; the likelihood is the mean over the minibatch's tokens,
as everywhere here, not the mean of the sequences' means; the starting policy itself is no candidate for the best epoch.

Its own loop, not transformers' Trainer: what counts here is that a run resumes to the bit and that every token decoded
and update made is counted alike for all methods; the log-probs, the optimizer and its schedule are the learner's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from vineppo.learner.finetuning import Finetuning
from vineppo.learner.likelihood import accumulate_likelihood
from vineppo.learner.trained import TrainedPolicy
from vineppo.metrics import Metrics
from vineppo.progress import Display
from vineppo.recipes.accepted import distinct, is_accepted
from vineppo.recipes.algorithm import Experience, whole_response_credit
from vineppo.recipes.sampler import Sampler
from vineppo.rng import derive_seed
from vineppo.seams import Progress
from vineppo.settings.learner import LearnerConfig
from vineppo.types import PromptAndResponse, Scored

Weights = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class RestEm:
    """The loop's body and its parts, put together by its settings."""

    sampler: Sampler
    policy: TrainedPolicy
    start: Weights
    """A snapshot of the starting policy."""
    settings: LearnerConfig
    accept: float
    kept: int
    epochs: int
    validate: Callable[[Progress], Metrics] | None
    """Evaluates the policy on held-out training questions; None: the last epoch is taken."""
    patience: int | None
    seed: int

    def collect(self, iteration: int, display: Display) -> Experience:
        """Sample, judge and filter."""
        scored, metrics = self.sampler.sample(iteration, display)
        kept = set(keep(scored, accept=self.accept, per_question=self.kept))
        solved = {scored[index].trajectory.question.id for index in kept}
        metrics |= {
            "rest_em/kept": float(len(kept)),
            "rest_em/questions_kept": len(solved) / max(1, len({item.trajectory.question.id for item in scored})),
        }
        credits = [whole_response_credit(item, float(index in kept)) for index, item in enumerate(scored)]
        return Experience(iteration=iteration, scored=scored, credits=credits, metrics=metrics)

    def learn(self, experience: Experience, display: Display) -> Metrics:
        """Finetune the starting policy on what was kept."""
        pairs = zip(experience.scored, experience.credits, strict=True)
        kept = [scored.trajectory.tokens for scored, credit in pairs if any(credit.advantages)]
        if not kept:
            return {"updates_made": 0.0}
        self._take(self.start, experience.iteration)
        return self._finetune(kept, experience.iteration, display)

    def save(self, folder: Path) -> None:
        """Nothing: every iteration starts from the starting policy and with a fresh optimizer."""

    def load(self, folder: Path) -> None:
        """Nothing to do."""

    def _finetune(self, kept: Sequence[PromptAndResponse], iteration: int, display: Display) -> Metrics:
        """Epoch after epoch, the best of them in the end."""
        seed = derive_seed(self.seed, "update", iteration)
        scorer, processes = self.policy.scorer, self.policy.processes
        finetuning = Finetuning(scorer, self.settings, num_items=len(kept), epochs=self.epochs, seed=seed)
        accumulate = partial(accumulate_likelihood, scorer, kept, passes=self.policy.passes, processes=processes)
        validations: list[Metrics] = []
        best: Weights = {}
        for epoch in range(1, self.epochs + 1):
            with display.phase("update") as progress:
                self.sampler.environment.engine.sleep()
                finetuning.epoch(epoch, accumulate, progress=progress)
                self._hand_over(iteration)
            if self.validate is None:
                continue
            with display.phase("validate") as progress:
                validations.append(self.validate(progress))
            accuracies = [metrics["eval/accuracy"] for metrics in validations]
            if best_epoch(accuracies) == epoch:
                best = self.policy.snapshot()
            elif is_exhausted(accuracies, self.patience):
                break
        if best:
            self._take(best, iteration)
        return finetuning.metrics() | validation_metrics(validations)

    def _take(self, weights: Weights, iteration: int) -> None:
        self.policy.take(weights)
        self._hand_over(iteration)

    def _hand_over(self, iteration: int) -> None:
        self.sampler.environment.engine.load_weights(self.policy.weights(), policy_version=iteration)


def keep(scored: Sequence[Scored], *, accept: float, per_question: int) -> list[int]:
    """Indices of the responses to learn from: accepted, distinct within their question, the first `per_question`."""
    accepted = [index for index, item in enumerate(scored) if is_accepted(item, accept)]
    return [index for own in distinct(scored, accepted).values() for index in own[:per_question]]


def best_epoch(accuracies: Sequence[float]) -> int:
    """The first of the best, counted from 1."""
    return accuracies.index(max(accuracies)) + 1


def is_exhausted(accuracies: Sequence[float], patience: int | None) -> bool:
    """Whether `patience` epochs have gone by without a new best."""
    return patience is not None and len(accuracies) - best_epoch(accuracies) >= patience


def validation_metrics(validations: Sequence[Metrics]) -> Metrics:
    """Of the epoch taken, and what finding it cost. Empty without validation."""
    if not validations:
        return {}
    accuracies = [metrics["eval/accuracy"] for metrics in validations]
    return {
        "validation/accuracy": max(accuracies),
        "validation/best_epoch": float(best_epoch(accuracies)),
        "validation/epochs": float(len(accuracies)),
        "tokens/validation": sum(metrics["tokens/evaluation"] for metrics in validations),
    }
