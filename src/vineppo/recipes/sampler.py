"""Where every method's trajectories come from: choose questions, sample, judge, cut into steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vineppo.curriculum.attempts import Attempts, by_question
from vineppo.curriculum.choice import Curriculum
from vineppo.environment import Environment
from vineppo.metrics import Metrics
from vineppo.progress import Display
from vineppo.recipes.measurements import trajectory_metrics
from vineppo.recipes.scoring import cut
from vineppo.rng import derive_seed
from vineppo.seams import Segmenter
from vineppo.steps import TokenTexts
from vineppo.types import Question, Sampling, Scored


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampler:
    """The parts that all methods share, put together by `vineppo.recipes.build`."""

    environment: Environment
    curriculum: Curriculum
    segment: Segmenter
    token_texts: TokenTexts
    read_prompt: Callable[[Sequence[int]], str]
    """Token ids of a prompt as the text that the policy sees."""
    count: int
    """Trajectories per question."""
    sampling: Sampling
    seed: int

    def sample(self, iteration: int, display: Display) -> tuple[list[Scored], Metrics]:
        """The iteration's trajectories, group after group, and what is to tell of them.

        Those that are left out of loss and baseline count in the metrics only.
        """
        choice = self.curriculum.choose(iteration, display)
        fresh = self._sample(choice.questions, self.count - choice.reused, iteration, display)
        with display.phase("judge"):
            scored = [
                cut(self.segment, self.token_texts, attempt.trajectory, attempt.judgement)
                for question in choice.questions
                for attempt in (*choice.attempts.get(question.id, ()), *fresh[question.id])
            ]
        kept = [item for item in scored if not item.judgement.left_out]
        return kept, choice.metrics | trajectory_metrics(scored)

    def iteration_seed(self, iteration: int) -> int:
        """All randomness of an iteration's trajectories and rollouts derives from it."""
        return derive_seed(self.seed, "iteration", iteration)

    def _sample(
        self, questions: Sequence[Question], count: int, iteration: int, display: Display
    ) -> dict[str, Attempts]:
        """`count` judged trajectories of each question, by its id."""
        if count == 0:
            return {question.id: () for question in questions}
        with display.phase("sample") as progress:
            trajectories = self.environment.sample(
                questions,
                count=count,
                sampling=self.sampling,
                seed=derive_seed(self.iteration_seed(iteration), "trajectories"),
                branches=True,
                progress=progress,
            )
        with display.phase("judge"):
            return by_question(trajectories, self.environment.judge_trajectories(trajectories))
