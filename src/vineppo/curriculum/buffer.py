"""SFL: every so often many questions are tried; part of each batch comes from the most learnable of them.

    every T iterations:  buffer = the K most learnable of N questions, L attempts at each
    each iteration:      share * B questions from the buffer, the others uniformly

    T = 50, K = 256, N = 1280, L = 8, share = 1/2

Foster et al., "Learning to Reason at the Frontier of Learnability", arXiv 2502.12272 v1 (February 2025).

Defined at the edges: a question that teaches nothing (p = 0 or 1) never enters the buffer, which may so hold fewer than
K, or none; a dataset smaller than N is tried whole; what the buffer cannot give is drawn uniformly, so that a batch
always has B distinct questions. Differs from the paper's code in the first and the last of these: there the buffer is
filled up with whatever comes, and a question may stand in a batch twice.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from vineppo.curriculum.attempts import Examiner, rewards, tokens
from vineppo.curriculum.choice import Choice, State
from vineppo.curriculum.learnability import learnability, most_learnable_first, success_metrics
from vineppo.curriculum.settings import CurriculumParts, CurriculumSettings
from vineppo.curriculum.uniform import draw
from vineppo.metrics import Metrics
from vineppo.rng import derive_seed, generator
from vineppo.settings.sections import TrainingConfig
from vineppo.types import Question

if TYPE_CHECKING:
    from vineppo.progress import Display


class LearnabilityBufferCurriculum(CurriculumSettings):
    """SFL: every so often many questions are tried; part of each batch comes from the most learnable of them."""

    name: Literal["learnability_buffer"] = "learnability_buffer"
    candidates: int = Field(default=1280, ge=1)
    """N, questions tried at each refresh."""
    attempts: int = Field(default=8, ge=2)
    """L, responses per candidate; a question's learnability is the variance of their rewards, p (1 - p)."""
    keep: int = Field(default=256, ge=1)
    """K, the most learnable of the candidates; those that teach nothing never enter."""
    every: int = Field(default=50, ge=1)
    """T, iterations between refreshes."""
    share: float = Field(default=0.5, ge=0, le=1)
    """Of each iteration's questions, from the buffer; the others are drawn uniformly."""

    def build(self, parts: CurriculumParts) -> "Buffer":
        """The curriculum."""
        return Buffer(
            questions=parts.questions,
            count=parts.count,
            seed=parts.seed,
            examine=parts.examiner(self.attempts),
            candidates=self.candidates,
            keep=self.keep,
            every=self.every,
            share=self.share,
        )

    def responses(self, training: TrainingConfig) -> int:
        """Of a refresh."""
        return self.candidates * self.attempts

    def times(self, iterations: int) -> int:
        """Refreshes."""
        return -(-iterations // self.every)


class Buffer:
    """Keeps the ids of at most `keep` learnable questions between refreshes."""

    def __init__(
        self,
        *,
        questions: Sequence[Question],
        count: int,
        seed: int,
        examine: Examiner,
        candidates: int,
        keep: int,
        every: int,
        share: float,
    ):
        self._questions = questions
        self._by_id = {question.id: question for question in questions}
        self._count, self._seed, self._examine = count, seed, examine
        self._candidates = min(candidates, len(questions))
        self._keep, self._every, self._share = keep, every, share
        self._buffer: list[str] = []

    def choose(self, iteration: int, display: "Display") -> Choice:
        """Refresh when it is time, then mix."""
        metrics = self._refresh(iteration, display) if (iteration - 1) % self._every == 0 else {}
        known = self._from_buffer(iteration)
        taken = {question.id for question in known}
        others = [question for question in self._questions if question.id not in taken]
        drawn = draw(others, count=self._count - len(known), seed=self._seed, iteration=iteration)
        shares: Metrics = {
            "curriculum/buffer": float(len(self._buffer)),
            "curriculum/from_buffer": len(known) / self._count,
        }
        return Choice(questions=[*known, *drawn], metrics=metrics | shares)

    def state(self) -> State:
        """The ids, most learnable first."""
        return {"buffer": self._buffer}

    def restore(self, state: State) -> None:
        """Continue where `state` was taken."""
        self._buffer = list(state["buffer"])

    def _refresh(self, iteration: int, display: "Display") -> Metrics:
        seed = derive_seed(self._seed, "buffer", iteration)
        candidates = draw(self._questions, count=self._candidates, seed=seed, iteration=iteration)
        attempts = self._examine(candidates, seed=derive_seed(seed, "attempts"), display=display)
        found = {id: rewards(own) for id, own in attempts.items()}
        ranked = most_learnable_first(found, seed=derive_seed(seed, "ties"))
        self._buffer = [id for id in ranked[: self._keep] if learnability(found[id]) > 0]
        return {
            **success_metrics(found, self._buffer),
            "tokens/curriculum": float(sum(map(tokens, attempts.values()))),
        }

    def _from_buffer(self, iteration: int) -> list[Question]:
        """This iteration's share of the buffer, drawn uniformly from it."""
        wanted = min(round(self._share * self._count), len(self._buffer))
        rng = generator(self._seed, "from buffer", iteration)
        return [self._by_id[self._buffer[index]] for index in rng.choice(len(self._buffer), wanted, replace=False)]
