"""The whole algorithm: what is asked of every recipe, and the settings of each. Torch-free.

How many iterations, questions and responses there are stands in `training`, for every recipe; the optimizer's settings
stand in `learner`. What a recipe does not mention there (`credit`, `learner.clip`, ...) is policy_iteration's.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from vineppo.advisers.choice import AnyAdviser
from vineppo.advisers.policy import PolicyAdviser
from vineppo.advisers.settings import TYPICAL_ANSWER, AdviserSettings
from vineppo.credit.settings import CreditSettings
from vineppo.settings.learner import LearnerConfig
from vineppo.settings.memory import ALWAYS, Part, Place
from vineppo.settings.sections import TrainingConfig
from vineppo.settings.shapes import Rollouts, Shape
from vineppo.settings.strict import Variant

if TYPE_CHECKING:
    from vineppo.recipes.algorithm import Algorithm
    from vineppo.recipes.parts import RecipeParts


@dataclass(frozen=True, kw_only=True, slots=True)
class CopySizes:
    """Bytes that a copy of the policy takes."""

    trained: int
    """Of what learns, to go back to."""
    frozen: int
    """Of the whole, to compute with."""


class RecipeSettings(Variant):
    """What every recipe has, and is asked. One of yours says its `name` and `build`, and of the rest what differs."""

    assigns_credit: ClassVar[bool] = False
    """Whether `credit` says what each token earned; otherwise the judge alone decides what is learned from."""
    least_trajectories: ClassVar[int] = 1
    """Of one question."""
    staged: ClassVar[int] = 0
    """Iterations at the start that decode its `stages`, and neither trajectories nor rollouts."""

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Of an estimate of its cost, in sentences."""
        return ()

    @property
    def asks(self) -> AdviserSettings | None:
        """Whom it asks in words; None: nobody."""
        return None

    def stages(
        self, questions: int | None, shape: Shape, credit: CreditSettings, *, at_most: bool
    ) -> dict[str, Rollouts]:
        """What it decodes before all else, by purpose. questions: of the training split; None: not known. at_most:
        whether shape is that of the longest response, and not of the expected one."""
        return {}

    def build(self, parts: "RecipeParts") -> "Algorithm":
        """The algorithm, with all its parts."""
        raise NotImplementedError(f"{type(self).__name__}.build")

    @property
    def held_out(self) -> int:
        """Training questions that it validates on, and never trains on."""
        return 0

    def validations(self) -> int:
        """Passes over them in an iteration, at most."""
        return 0

    def updates(self, training: TrainingConfig, learner: LearnerConfig, credit: CreditSettings) -> int:
        """Optimizer steps over the run; at most, where the judge decides how many there are."""
        return training.iterations * learner.updates_of(training.batch)

    def copies(self, learner: LearnerConfig, sizes: CopySizes, place: Place) -> list[Part]:
        """Of the policy as it was, in memory."""
        return []


class PolicyIterationRecipe(RecipeSettings):
    """The PPO family: sample, credit, update; `credit` says who earned the reward."""

    name: Literal["policy_iteration"] = "policy_iteration"

    assigns_credit: ClassVar[bool] = True

    def build(self, parts: "RecipeParts") -> "Algorithm":
        """With the credit that the configuration names."""
        from vineppo.recipes.policy_iteration import build_policy_iteration

        return build_policy_iteration(parts)

    def updates(self, training: TrainingConfig, learner: LearnerConfig, credit: CreditSettings) -> int:
        """None while the value network warms up."""
        warmup = 0 if credit.critic is None else credit.critic.warmup_iterations
        return learner.updates_of(credit.samples_of(training.batch)) * max(training.iterations - warmup, 0)

    def copies(self, learner: LearnerConfig, sizes: CopySizes, place: Place) -> list[Part]:
        """What the KL is measured to."""
        if not learner.kl_coefficient or learner.lora is not None:
            return []
        away = learner.reference_offload and place.gpu
        made_of = "for the KL term" + ("; else in the CPU's memory" if away else "")
        return [Part(name="reference", bytes=sizes.frozen, phases=("score",) if away else ALWAYS, made_of=made_of)]


class RestEmRecipe(RecipeSettings):
    """RestEM: finetune the starting policy on the responses the judge accepts, sample from the result, repeat."""

    name: Literal["rest_em"] = "rest_em"
    accept: float = 1.0
    """A response that ended by itself is accepted from this reward on."""
    kept: int = Field(default=10, ge=1)
    """Distinct accepted responses of one question, at most."""
    epochs: int = Field(default=8, ge=1)
    """Passes over the kept responses, at most; takes the place of learner.epochs."""
    validation_questions: int = Field(default=500, ge=0)
    """Held out of the training questions: the epoch that does best on them is taken; 0: the last epoch."""
    patience: int | None = Field(default=None, ge=1)
    """Stop after so many epochs without a new best; none: go through all epochs, then take the best."""

    def build(self, parts: "RecipeParts") -> "Algorithm":
        """Its start is the policy as it is now."""
        from vineppo.recipes.rest_em import RestEm

        trained = parts.workshop.trained(parts.policy)
        return RestEm(
            sampler=parts.sampler,
            policy=trained,
            start=trained.snapshot(),
            settings=parts.workshop.settings,
            accept=self.accept,
            kept=self.kept,
            epochs=self.epochs,
            validate=parts.validate,
            patience=self.patience,
            seed=parts.training.seed,
        )

    @property
    def held_out(self) -> int:
        """The epoch that does best on them is taken."""
        return self.validation_questions

    def validations(self) -> int:
        """After every epoch."""
        return self.epochs

    def updates(self, training: TrainingConfig, learner: LearnerConfig, credit: CreditSettings) -> int:
        """As if everything were accepted."""
        items = training.questions * min(self.kept, training.trajectories)
        return training.iterations * self.epochs * -(-items // learner.minibatch)

    def copies(self, learner: LearnerConfig, sizes: CopySizes, place: Place) -> list[Part]:
        """What each iteration starts from, and the epoch that is taken."""
        made_of = "the starting policy" + (", and the best epoch's" if self.held_out else "")
        return [Part(name="copies", bytes=(2 if self.held_out else 1) * sizes.trained, made_of=made_of)]


class DpoPositiveRecipe(RecipeSettings):
    """DPO-Positive: prefer accepted responses to rejected ones, and never make an accepted one less probable."""

    name: Literal["dpo_positive"] = "dpo_positive"
    accept: float = 0.5
    """A response that ended by itself is accepted from this reward on; all others are rejected."""
    pairs: int = Field(default=64, ge=1)
    """Pairs of one question, at most; drawn from all there are."""
    epochs: int = Field(default=3, ge=1)
    """Passes over the pairs; takes the place of learner.epochs. learner.minibatch counts pairs."""
    beta: float = Field(default=0.1, gt=0)
    """Sharpness of the preference: larger values keep the policy nearer to the one that sampled."""
    penalty: float = Field(default=50.0, ge=0)
    """lambda, of making the accepted response less probable than it was; 0 is plain DPO."""

    least_trajectories: ClassVar[int] = 2

    def build(self, parts: "RecipeParts") -> "Algorithm":
        """Each iteration's reference is the policy that sampled it."""
        from vineppo.recipes.dpo_positive import DpoPositive

        return DpoPositive(
            sampler=parts.sampler,
            policy=parts.workshop.trained(parts.policy),
            settings=parts.workshop.settings,
            accept=self.accept,
            pairs=self.pairs,
            epochs=self.epochs,
            beta=self.beta,
            penalty=self.penalty,
            seed=parts.training.seed,
        )

    def updates(self, training: TrainingConfig, learner: LearnerConfig, credit: CreditSettings) -> int:
        """As if as much were accepted as makes most pairs."""
        accepted = training.trajectories // 2
        items = training.questions * min(self.pairs, accepted * (training.trajectories - accepted))
        return training.iterations * self.epochs * -(-items // learner.minibatch)


class IntRecipe(PolicyIterationRecipe):
    """InT: finetune on verified replacements of first wrong steps in iteration 1, then go on as policy_iteration."""

    name: Literal["int"] = "int"  # pyright: ignore[reportIncompatibleVariableOverride]
    adviser: AnyAdviser = PolicyAdviser()
    """Who proposes interventions."""
    questions: int | None = Field(default=None, ge=1)
    """The first so many training questions are attempted; null: all."""
    attempts: int = Field(default=4, ge=1)
    """Of each question."""
    accept: float = 1.0
    """A response is right from this reward on."""
    reference_column: str | None = None
    """Dataset column of the solution that the adviser sees; null: the gold answer."""
    localiser: Literal["prompt", "values", "both"] = "prompt"
    """Which step is replaced: the one that the adviser names (prompt), or the one by which the value drops most,
    measured by `credit` (values); both: the adviser's, and where the values point is noted beside."""
    solve_first: bool = True
    """Let the adviser solve the problem in a turn of its own, before it sees the attempt."""
    proposals: int = Field(default=4, ge=1)
    """Of each wrong attempt; the first valid one is taken."""
    continuations: int = Field(default=32, ge=1)
    """Rollouts that verify an intervention."""
    epochs: int = Field(default=4, ge=1)
    """Of finetuning."""
    learning_rate: float = Field(default=1e-6, gt=0)
    """Of finetuning, peak."""
    warmup_ratio: float = Field(default=0.1, ge=0, le=1)
    """Of finetuning."""
    minibatch: int = Field(default=64, ge=1)
    """Interventions per update of finetuning."""

    staged: ClassVar[int] = 1

    def build(self, parts: "RecipeParts") -> "Algorithm":
        """The stages, then the PPO family."""
        from vineppo.recipes.int import build_int
        from vineppo.recipes.interventions import Plan

        plan = Plan(
            attempts=self.attempts,
            accept=self.accept,
            reference_column=self.reference_column,
            localiser=self.localiser,
            solve_first=self.solve_first and self.adviser.converses,
            proposals=self.proposals,
            continuations=self.continuations,
        )
        own = {"learning_rate": self.learning_rate, "minibatch": self.minibatch, "warmup_ratio": self.warmup_ratio}
        return build_int(
            parts,
            adviser=self.adviser,
            plan=plan,
            questions=self.questions,
            settings=parts.workshop.settings.model_copy(update=own),
            epochs=self.epochs,
        )

    @property
    def asks(self) -> AdviserSettings:
        """Who proposes."""
        return self.adviser

    def stages(
        self, questions: int | None, shape: Shape, credit: CreditSettings, *, at_most: bool
    ) -> dict[str, Rollouts]:
        """As if every attempt were wrong, and every proposal valid."""
        known = [count for count in (questions, self.questions) if count is not None]
        if not known:
            return {}
        wrong = min(known) * self.attempts
        answers = wrong * (self.proposals + (self.solve_first and self.adviser.converses))
        answer = self.adviser.longest if at_most else self.adviser.typical(len(shape.states))
        rollouts, left = wrong * self.continuations, shape.length if at_most else shape.left // len(shape.states)
        found = {
            "attempts": Rollouts(count=wrong, tokens=wrong * shape.length),
            "proposals": Rollouts(count=answers, tokens=answers * answer),
            "continuations": Rollouts(count=rollouts, tokens=rollouts * left),
        }
        if self.localiser != "prompt":
            own = credit.rollouts_of(shape)
            tokens = credit.most_tokens(shape) if at_most else own.tokens
            found["localising"] = Rollouts(count=wrong * own.count, tokens=wrong * tokens)
        return found

    @property
    def assumptions(self) -> tuple[str, ...]:
        """How many attempts are wrong is not known beforehand."""
        return (
            "Every attempt is assumed to be wrong and to get a valid proposal. Proposals are decoded by "
            f"recipe.adviser, {TYPICAL_ANSWER} tokens a step; without prompts.",
        )
