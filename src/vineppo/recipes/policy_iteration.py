"""The PPO family: sample, judge, segment, credit, update. Which credit is the only thing that differs.

for each iteration:
    questions    -> trajectories           the policy answers
    trajectories -> judgements, steps      the task judges, the segmenter cuts
    scored       -> credit                 what did each token earn?
    credit       -> update                 PPO-clip
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from vineppo.curriculum import CurriculumName, pick
from vineppo.environment import Environment
from vineppo.learner.critic import Critic
from vineppo.learner.learner import Learner
from vineppo.metrics import Metrics
from vineppo.progress import Display
from vineppo.recipes.measurements import credit_metrics, trajectory_metrics
from vineppo.recipes.scoring import judge_and_cut
from vineppo.rng import derive_seed
from vineppo.seams import CreditAssigner, Engine, Segmenter
from vineppo.steps import TokenTexts
from vineppo.types import Credit, Question, Sample, Sampling, Scored, Trajectory


@dataclass(frozen=True, kw_only=True, slots=True)
class Experience:
    """What one iteration learns from."""

    iteration: int
    scored: list[Scored]
    credits: list[Credit]

    @property
    def samples(self) -> list[Sample]:
        """What the learner sees."""
        return [to_sample(scored, credit) for scored, credit in zip(self.scored, self.credits, strict=True)]


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyIteration:
    """The loop and its parts, put together by `vineppo.recipes.build`.

    An iteration depends on the weights, the optimizers and its number alone, so a run can be resumed at any of them.
    """

    environment: Environment
    segment: Segmenter
    token_texts: TokenTexts
    assign: CreditAssigner
    learner: Learner
    critic: Critic | None
    critic_warmup: int
    """Iterations in which only the critic learns."""
    weights: Callable[[], Mapping[str, Tensor]]
    """The policy's, for the engine."""
    questions: Sequence[Question]
    curriculum: CurriculumName
    num_questions: int
    num_trajectories: int
    sampling: Sampling
    seed: int

    def collect(self, iteration: int, display: Display) -> Experience:
        """Sample, judge, segment, value and credit. Changes nothing."""
        seed = derive_seed(self.seed, "iteration", iteration)
        questions = pick(
            self.questions, name=self.curriculum, count=self.num_questions, seed=self.seed, iteration=iteration
        )
        with display.phase("sample") as progress:
            trajectories = self.environment.sample(
                questions,
                count=self.num_trajectories,
                sampling=self.sampling,
                seed=derive_seed(seed, "trajectories"),
                branches=True,
                progress=progress,
            )
        with display.phase("judge"):
            scored = self.score(trajectories)
        with display.phase("credit") as progress:
            credits = self.assign(scored, seed=seed, progress=progress)
        return Experience(iteration=iteration, scored=scored, credits=credits)

    def learn(self, experience: Experience, display: Display) -> Metrics:
        """Update the policy, hand the new weights to the engine, and report."""
        samples, seed = experience.samples, derive_seed(self.seed, "update", experience.iteration)
        metrics = trajectory_metrics(experience.scored) | credit_metrics(experience.credits)
        with display.phase("update") as progress:
            if self.critic is not None:
                metrics |= self.critic.update(samples, seed=seed)
            if experience.iteration > self.critic_warmup:
                metrics |= self.learner.update(samples, seed=seed, progress=progress)
            self.engine.load_weights(self.weights(), policy_version=experience.iteration)
        return metrics

    def score(self, trajectories: Sequence[Trajectory]) -> list[Scored]:
        """Judge and cut."""
        return judge_and_cut(self.environment, self.segment, self.token_texts, trajectories)

    @property
    def engine(self) -> Engine:
        """Whatever samples."""
        return self.environment.engine


def to_sample(scored: Scored, credit: Credit) -> Sample:
    """A credited trajectory as the learner sees it."""
    tokens = scored.trajectory.tokens
    return Sample(
        token_ids=tokens.token_ids,
        prompt_length=tokens.prompt_length,
        logprobs=scored.trajectory.logprobs,
        advantages=credit.advantages,
        returns=credit.returns,
        mask=credit.mask,
    )
