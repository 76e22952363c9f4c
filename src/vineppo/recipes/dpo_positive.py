"""DPO-Positive: prefer accepted responses to rejected ones, and never make an accepted one less probable.

for each iteration:
    sample N responses a question; pair its accepted with its rejected ones, at most M pairs drawn from all there are
    loss = - mean over pairs of log sigmoid(beta (log-ratio of the accepted - log-ratio of the rejected
                                                  - lambda max(0, - log-ratio of the accepted)))
    log-ratio(y) = log pi(y) - log ref(y), ref: the policy that sampled

Pal et al., "Smaug", arXiv 2402.13228; the baseline of VinePPO (one iteration over all questions, N = 64, M = 64, 3
epochs, batch 64 pairs, learning rate 1e-6, lambda 50, beta 0.1 for MATH and 0.3 for GSM8K). It credits all tokens of a
response alike. A question whose responses are all accepted, or all rejected, gives no pair; where none does, the policy
stays as it is. With several iterations the reference moves along, as in iterative DPO (Pang et al., arXiv 2404.19733).

Differs from VinePPO's code in: repeated responses are paired once.

Our own loss and loop: TRL's DPO trainer (1.16) has no such loss, and a run must resume to the bit and count its tokens
and updates as all other methods do. The plain DPO part is tested against TRL's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from vineppo.learner.finetuning import Finetuning
from vineppo.learner.preference import Pair, accumulate_preference, score_pairs
from vineppo.learner.trained import TrainedPolicy
from vineppo.metrics import Metrics
from vineppo.progress import Display
from vineppo.recipes.accepted import distinct, is_accepted
from vineppo.recipes.algorithm import Experience, whole_response_credit
from vineppo.recipes.sampler import Sampler
from vineppo.rng import derive_seed
from vineppo.settings.learner import LearnerConfig
from vineppo.types import Scored

Indices = tuple[int, int]
"""Of an accepted and a rejected response to one question."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DpoPositive:
    """The loop's body and its parts, put together by its settings."""

    sampler: Sampler
    policy: TrainedPolicy
    settings: LearnerConfig
    accept: float
    pairs: int
    epochs: int
    beta: float
    penalty: float
    seed: int

    def collect(self, iteration: int, display: Display) -> Experience:
        """Sample, judge and pair."""
        scored, metrics = self.sampler.sample(iteration, display)
        pairs = self._pairs(scored, iteration)
        paired = {scored[accepted].trajectory.question.id for accepted, _ in pairs}
        metrics |= {
            "dpo/pairs": float(len(pairs)),
            "dpo/questions_paired": len(paired) / max(1, len({item.trajectory.question.id for item in scored})),
        }
        signs = {index: sign for pair in pairs for index, sign in zip(pair, (1.0, -1.0), strict=True)}
        credits = [whole_response_credit(item, signs.get(index, 0.0)) for index, item in enumerate(scored)]
        return Experience(iteration=iteration, scored=scored, credits=credits, metrics=metrics)

    def learn(self, experience: Experience, display: Display) -> Metrics:
        """Finetune the policy on the pairs."""
        tokens = [item.trajectory.tokens for item in experience.scored]
        indices = self._pairs(experience.scored, experience.iteration)
        if not indices:
            return {"updates_made": 0.0}
        pairs = [Pair(chosen=tokens[accepted], rejected=tokens[rejected]) for accepted, rejected in indices]
        scorer, passes, processes = self.policy.scorer, self.policy.passes, self.policy.processes
        engine = self.sampler.environment.engine
        with display.phase("update") as progress:
            engine.sleep()
            scored = score_pairs(scorer, pairs, passes=passes, processes=processes)
            seed = derive_seed(self.seed, "update", experience.iteration)
            finetuning = Finetuning(scorer, self.settings, num_items=len(pairs), epochs=self.epochs, seed=seed)

            def accumulate(indices: Sequence[int]) -> Metrics:
                return accumulate_preference(
                    scorer,
                    scored,
                    indices,
                    beta=self.beta,
                    penalty=self.penalty,
                    passes=passes,
                    processes=processes,
                    is_reference=finetuning.updates == 0,
                )

            for epoch in range(1, self.epochs + 1):
                finetuning.epoch(epoch, accumulate, progress=progress)
            engine.load_weights(self.policy.weights(), policy_version=experience.iteration)
        return finetuning.metrics()

    def save(self, folder: Path) -> None:
        """Nothing: every iteration takes the policy as it is and a fresh optimizer."""

    def load(self, folder: Path) -> None:
        """Nothing to do."""

    def _pairs(self, scored: Sequence[Scored], iteration: int) -> list[Indices]:
        seed = derive_seed(self.seed, "pairs", iteration)
        return make_pairs(scored, accept=self.accept, per_question=self.pairs, seed=seed)


def make_pairs(scored: Sequence[Scored], *, accept: float, per_question: int, seed: int) -> list[Indices]:
    """Distinct accepted responses with distinct rejected ones of the same question: all such pairs, or as many as
    `per_question` drawn from them without repetition."""
    accepted = distinct(scored, (i for i, item in enumerate(scored) if is_accepted(item, accept)))
    rejected = distinct(scored, (i for i, item in enumerate(scored) if not is_accepted(item, accept)))
    chosen: list[Indices] = []
    for question in accepted.keys() & rejected.keys():
        pairs = list(product(accepted[question], rejected[question]))
        rng = np.random.default_rng(derive_seed(seed, question))
        drawn = rng.choice(len(pairs), size=min(per_question, len(pairs)), replace=False)
        chosen += [pairs[index] for index in sorted(drawn)]
    return sorted(chosen)
