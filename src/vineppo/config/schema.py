"""The typed configuration tree. Torch-free; frozen; unknown keys are refused.

Defaults of the algorithm are the paper's settings (arXiv 2410.01679), but for `credit`: coupled vines measure what the
paper's estimator measures, `credit=vine`, with a fraction of its rollouts (docs/coupled.md). Batch sizes of the
algorithm are global; `micro_batch` and `engine.rows` only trade memory for speed and never change a result beyond
rounding.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from vineppo.config.analysis_schema import AnalysisConfig as AnalysisConfig
from vineppo.config.credit_schema import CoupledCredit as CoupledCredit
from vineppo.config.credit_schema import CreditConfig as CreditConfig
from vineppo.config.credit_schema import GrpoCredit as GrpoCredit
from vineppo.config.credit_schema import PpoCredit as PpoCredit
from vineppo.config.credit_schema import RlooCredit as RlooCredit
from vineppo.config.credit_schema import TreeCredit as TreeCredit
from vineppo.config.credit_schema import VineCredit as VineCredit
from vineppo.config.curriculum_schema import CurriculumConfig as CurriculumConfig
from vineppo.config.curriculum_schema import EpochCurriculum as EpochCurriculum
from vineppo.config.curriculum_schema import LearnabilityBufferCurriculum as LearnabilityBufferCurriculum
from vineppo.config.curriculum_schema import LearnabilityCurriculum as LearnabilityCurriculum
from vineppo.config.curriculum_schema import UniformCurriculum as UniformCurriculum
from vineppo.config.engine_schema import EngineConfig as EngineConfig
from vineppo.config.engine_schema import TorchEngineConfig as TorchEngineConfig
from vineppo.config.engine_schema import VllmEngineConfig as VllmEngineConfig
from vineppo.config.learner_schema import LearnerConfig as LearnerConfig
from vineppo.config.lora_schema import LoraConfig as LoraConfig
from vineppo.config.pool_schema import PoolConfig as PoolConfig
from vineppo.config.processes_schema import ProcessesConfig as ProcessesConfig
from vineppo.config.recipe_schema import DpoPositiveRecipe as DpoPositiveRecipe
from vineppo.config.recipe_schema import PolicyIterationRecipe as PolicyIterationRecipe
from vineppo.config.recipe_schema import RecipeConfig as RecipeConfig
from vineppo.config.recipe_schema import RestEmRecipe as RestEmRecipe
from vineppo.config.steps_schema import DelimiterSteps as DelimiterSteps
from vineppo.config.steps_schema import LinesSteps as LinesSteps
from vineppo.config.steps_schema import MathSteps as MathSteps
from vineppo.config.steps_schema import StepsConfig as StepsConfig
from vineppo.config.steps_schema import TokensSteps as TokensSteps
from vineppo.config.steps_schema import UncertainSteps as UncertainSteps
from vineppo.config.steps_schema import WholeSteps as WholeSteps
from vineppo.config.strict import Strict
from vineppo.config.task_schema import ArithmeticTask as ArithmeticTask
from vineppo.config.task_schema import CustomTask as CustomTask
from vineppo.config.task_schema import DatasetTask as DatasetTask
from vineppo.config.task_schema import Gsm8kTask as Gsm8kTask
from vineppo.config.task_schema import JudgeConfig as JudgeConfig
from vineppo.config.task_schema import MathTask as MathTask
from vineppo.config.task_schema import ReasoningGymTask as ReasoningGymTask
from vineppo.config.task_schema import RegistersTask as RegistersTask
from vineppo.config.task_schema import TaskConfig as TaskConfig
from vineppo.config.task_schema import WordProblemsTask as WordProblemsTask

# --- policy, engine, sampling, steps -----------------------------------------------------------------------------


class PolicyConfig(Strict):
    """The model that is trained."""

    path: str = "bundled:arithmetic"
    """A Hugging Face folder or Hub name with model and tokenizer, or one that comes along: `bundled:arithmetic`,
    `bundled:arithmetic_mixed`, `bundled:registers`, `bundled:word_problems`."""
    device: str = "auto"
    """`auto` takes cuda when there is one, else the cpu."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """bfloat16: sampling, scoring and gradients are computed in it; trained weights and the optimizer stay float32."""
    chat_template_kwargs: dict[str, object] = Field(default={})
    """For the chat template, e.g. {enable_thinking: false}; a dataset's column of this name wins over it."""


class SamplingConfig(Strict):
    """The law that trajectories and rollouts are drawn from."""

    temperature: float = Field(default=0.6, ge=0)
    """Divides the logits, in sampling and in the learner."""
    top_p: float = Field(default=0.9, gt=0, le=1)
    """Keep the smallest set of tokens whose probability reaches this; 1 keeps all."""
    top_k: int = Field(default=0, ge=0)
    """0 keeps all tokens."""
    max_new_tokens: int = Field(default=1024, ge=1)
    """A longer response is cut off; task.truncated says what becomes of it."""
    min_new_tokens: int = Field(default=1, ge=1)
    """Room that a prompt must leave for its response; see training.unfit_questions."""


# --- learner, training -------------------------------------------------------------------------------------------


class TrainingConfig(Strict):
    """How much, from which seed."""

    iterations: int = Field(default=1000, ge=1)
    """Each samples, credits and updates once."""
    questions: int = Field(default=64, ge=1)
    """Questions per iteration."""
    trajectories: int = Field(default=8, ge=1)
    """Trajectories per question: the group."""
    unfit_questions: Literal["refuse", "drop"] = "refuse"
    """Questions whose prompts are empty, too long or no text: refuse to start, or drop them, with a count."""
    seed: int = 0
    """All randomness of the run derives from it."""


class EvaluationConfig(Strict):
    """Accuracy on the test split."""

    every: int = Field(default=10, ge=0)
    """Iterations between evaluations; one more at the start and the end. 0: only those two."""
    questions: int | None = Field(default=None, ge=1)
    """The first so many test questions; null takes all."""
    samples: int = Field(default=1, ge=1)
    """Responses per question; accuracy is their mean."""
    temperature: float | None = Field(default=None, ge=0)
    """null takes the sampling law's."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """null takes the sampling law's."""


class CheckpointConfig(Strict):
    """What survives a crash."""

    every: int = Field(default=1, ge=1)
    """Iterations between checkpoints that wait for the disk and are kept."""
    between: bool = True
    """Write one after the other iterations too, without waiting for the disk, until the next takes its place: nothing
    that is complete is lost, whatever fails. False writes less, and an update that fails loses all since the last."""
    keep: int = Field(default=2, ge=1)
    """Newest checkpoints kept."""
    keep_every: int = Field(default=0, ge=0)
    """Also keep every checkpoint whose iteration is a multiple of this; 0: none."""


class RunConfig(Strict):
    """Where the run lives."""

    dir: str = "runs/default"
    """Made if missing; never overwritten."""
    trajectories_logged: int = Field(default=8, ge=0)
    """Trajectories written out per iteration for people to read."""
    tracker: Literal["none", "tensorboard", "wandb", "trackio"] = "none"
    """Besides metrics.jsonl, which is always written. Needs the extra `vineppo[trackers]`."""


class Config(Strict):
    """One training run."""

    recipe: RecipeConfig = PolicyIterationRecipe()
    task: TaskConfig = ArithmeticTask()
    policy: PolicyConfig = PolicyConfig()
    sampling: SamplingConfig = SamplingConfig()
    steps: StepsConfig = LinesSteps()
    credit: CreditConfig = CoupledCredit()
    engine: EngineConfig = TorchEngineConfig()
    learner: LearnerConfig = LearnerConfig()
    training: TrainingConfig = TrainingConfig()
    curriculum: CurriculumConfig = UniformCurriculum()
    evaluation: EvaluationConfig = EvaluationConfig()
    analysis: AnalysisConfig = AnalysisConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    processes: ProcessesConfig = ProcessesConfig()
    run: RunConfig = RunConfig()

    @property
    def batch(self) -> int:
        """Trajectories per iteration."""
        return self.training.questions * self.training.trajectories

    @property
    def updates_per_iteration(self) -> int:
        """Optimizer steps per iteration of recipe policy_iteration."""
        return self.learner.epochs * -(-self.batch // self.learner.minibatch)

    def evaluates_after(self, iteration: int) -> bool:
        """Whether an evaluation follows it: every so often, and the last."""
        every = self.evaluation.every
        return iteration == self.training.iterations or (every > 0 and iteration % every == 0)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.learner.minibatch > self.batch:
            raise ValueError(
                f"learner.minibatch is {self.learner.minibatch}, but an iteration has only {self.batch} trajectories "
                f"(training.questions {self.training.questions} x training.trajectories "
                f"{self.training.trajectories}); set learner.minibatch to at most {self.batch}"
            )
        if self.recipe.name == "dpo_positive" and self.training.trajectories < 2:
            raise ValueError(
                "recipe dpo_positive pairs the responses to one question, but training.trajectories is 1; "
                "set it to at least 2"
            )
        if self.credit.name in ("grpo", "rloo", "tree") and self.training.trajectories < 2:
            raise ValueError(
                f"credit {self.credit.name} compares the trajectories of one question, but training.trajectories is 1; "
                "set it to at least 2"
            )
        if self.sampling.temperature == 0:
            raise ValueError(
                "sampling.temperature is 0 (greedy), which leaves nothing to explore; set it above 0, e.g. 1.0 "
                "(evaluation.temperature may be 0)"
            )
        return self


class Architecture(Strict):
    """A Llama to start from random weights."""

    hidden_size: int = Field(default=96, ge=8)
    """Width."""
    layers: int = Field(default=4, ge=1)
    """Depth."""
    heads: int = Field(default=4, ge=1)
    """Attention heads; they divide hidden_size."""
    intermediate_size: int = Field(default=256, ge=8)
    """Width of the feed-forward layers."""
    context: int = Field(default=512, ge=8)
    """The most tokens, prompt and response together."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"architecture.hidden_size is {self.hidden_size}, but {self.heads} heads of even size must fill it; "
                f"set it to a multiple of {2 * self.heads}"
            )
        return self


class SftConfig(Strict):
    """One supervised finetuning run, on demonstrations of a data set or of a task's own."""

    task: TaskConfig = ArithmeticTask()
    policy: PolicyConfig | None = None
    """Start from this model, or from random weights (`architecture`) when null."""
    architecture: Architecture = Architecture()
    """Used when policy is null."""
    learning_rate: float = Field(default=1e-5, gt=0)
    """Peak, AdamW; down to 0 linearly."""
    warmup_ratio: float = Field(default=0.03, ge=0, le=1)
    """Share of the updates in which the learning rate rises linearly."""
    weight_decay: float = Field(default=0.0, ge=0)
    """On matrices only."""
    updates: int = Field(default=1000, ge=1)
    """Optimizer steps."""
    batch: int = Field(default=64, ge=1)
    """Demonstrations per update."""
    micro_batch: int = Field(default=64, ge=1)
    """Demonstrations per forward pass. Memory only."""
    pack_tokens: int | None = Field(default=None, ge=0)
    """Demonstrations go through the model in packs, without padding and each shared beginning once, wherever that takes
    fewer operations: the most tokens of such a pass. null: as many as `micro_batch` of the longest have. 0: never.
    Memory only."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Longer gradients are scaled down to this norm."""
    lora: LoraConfig | None = None
    """Train low-rank adapters only; null trains all weights. The folder written holds the sum."""
    gradient_checkpointing: bool = False
    """Recompute each layer's activations in the backward pass. Memory only; about a third slower."""
    held_out: int = Field(default=128, ge=0)
    """Demonstrations that the loss is measured on and that are not learned from: of a data set the first of its test
    split, else others than those drawn. 0: none."""
    evaluate_every: int = Field(default=0, ge=0)
    """Updates between these measurements; there always is one before the first update and one after the last."""
    checkpoint_every: int = Field(default=0, ge=0)
    """Updates between checkpoints, from which --resume goes on to the bit; 0: none but when interrupted."""
    seed: int = 0
    """Draws the demonstrations and the random weights."""
    output: str = "runs/sft"
    """Where the Hugging Face folder is written."""
    device: str = "auto"
    """For random weights; a given policy has its own."""
