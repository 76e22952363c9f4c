"""LILO: each iteration tries several times as many questions as it needs, and trains on the most learnable.

    candidates = uniform draw of factor * B questions           factor = 4
    p          = success rate of L attempts at each             L = 8
    batch      = the B candidates with the largest p (1 - p)

Foster et al., "Learning to Reason at the Frontier of Learnability", arXiv 2502.12272 v6, algorithm 2. Attempts come
from the policy that is about to be trained, under the law of trajectories, so those at the chosen questions can serve
as their trajectories; the paper does so with PPO and GRPO. That the batch was chosen by these very rewards is then not
forgotten by them: the price of the saved tokens.

Defined at the edges: fewer candidates than factor * B where the dataset is small; fewer learnable ones than B are
filled up with candidates that teach nothing, drawn at random, so that a batch always has B questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from vineppo.curriculum.attempts import Examiner, rewards, tokens
from vineppo.curriculum.choice import Choice, State
from vineppo.curriculum.learnability import most_learnable_first, success_metrics
from vineppo.curriculum.settings import CurriculumParts, CurriculumSettings
from vineppo.curriculum.uniform import draw
from vineppo.rng import derive_seed
from vineppo.settings.sections import TrainingConfig
from vineppo.types import Question

if TYPE_CHECKING:
    from vineppo.progress import Display


class LearnabilityCurriculum(CurriculumSettings):
    """LILO: each iteration tries several times as many questions, and trains on those that can teach most."""

    name: Literal["learnability"] = "learnability"
    candidates_per_question: int = Field(default=4, ge=1)
    """Questions tried for each one that is trained on."""
    attempts: int = Field(default=8, ge=2)
    """Responses per candidate; a question's learnability is the variance of their rewards, p (1 - p)."""
    reuse: bool = True
    """Attempts at the chosen questions serve as their trajectories; false samples those anew."""

    def build(self, parts: CurriculumParts) -> "PerIteration":
        """The curriculum."""
        return PerIteration(
            questions=parts.questions,
            count=parts.count,
            seed=parts.seed,
            examine=parts.examiner(self.attempts, branches=self.reuse),
            factor=self.candidates_per_question,
            reused=self.reused(parts.training),
        )

    def responses(self, training: TrainingConfig) -> int:
        """Those at chosen questions serve, if they may."""
        return training.questions * (self.candidates_per_question * self.attempts - self.reused(training))

    def reused(self, training: TrainingConfig) -> int:
        """Attempts at a chosen question that become its trajectories."""
        return min(self.attempts, training.trajectories) if self.reuse else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PerIteration:
    """`count` of `factor` times as many candidates, each time."""

    questions: Sequence[Question]
    count: int
    seed: int
    examine: Examiner
    factor: int
    reused: int
    """How many of the attempts at a chosen question become its trajectories; 0: none."""

    def choose(self, iteration: int, display: "Display") -> Choice:
        """Try, then take the most learnable."""
        seed = derive_seed(self.seed, "learnability", iteration)
        size = min(self.factor * self.count, len(self.questions))
        candidates = draw(self.questions, count=size, seed=self.seed, iteration=iteration)
        attempts = self.examine(candidates, seed=derive_seed(seed, "attempts"), display=display)
        found = {id: rewards(own) for id, own in attempts.items()}
        chosen = most_learnable_first(found, seed=derive_seed(seed, "ties"))[: self.count]
        handed_on = {id: attempts[id][: self.reused] for id in chosen} if self.reused else {}
        by_id = {question.id: question for question in candidates}
        return Choice(
            questions=[by_id[id] for id in chosen],
            attempts=handed_on,
            metrics={
                **success_metrics(found, chosen),
                "tokens/curriculum": float(sum(map(tokens, attempts.values())) - sum(map(tokens, handed_on.values()))),
            },
        )

    def state(self) -> State:
        """None: each iteration starts from nothing."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing to do."""
