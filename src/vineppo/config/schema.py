"""The typed tree of a configuration: what a run may be made of. Torch-free; frozen; unknown keys are refused.

Each union is the one door of its room: a method, a task, an engine is known to the rest of the house by standing here.
What it is, and all that is asked of it, is in its own file.

Defaults of the algorithm are the paper's settings (arXiv 2410.01679), but for `credit`: at equal decoded tokens tree
credit, which learns from its rollouts, trains better than the paper's estimator, `credit=vine` (docs/tree.md).
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from vineppo.credit.capo import CapoCredit
from vineppo.credit.coupled_assigner import CoupledCredit
from vineppo.credit.gae import PpoCredit
from vineppo.credit.group import GrpoCredit, RlooCredit
from vineppo.credit.grpo_lambda import GrpoLambdaCredit
from vineppo.credit.spo_tree import SpoTreeCredit
from vineppo.credit.srpo import SrpoCredit
from vineppo.credit.tree_assigner import TreeCredit
from vineppo.credit.vine import VineCredit
from vineppo.curriculum.buffer import LearnabilityBufferCurriculum
from vineppo.curriculum.epoch import EpochCurriculum
from vineppo.curriculum.per_iteration import LearnabilityCurriculum
from vineppo.curriculum.uniform import UniformCurriculum
from vineppo.engines.torch.settings import TorchEngineConfig
from vineppo.engines.vllm.settings import VllmEngineConfig
from vineppo.recipes.settings import DpoPositiveRecipe, IntRecipe, PolicyIterationRecipe, RestEmRecipe
from vineppo.settings.analysis import AnalysisConfig
from vineppo.settings.learner import LearnerConfig, LoraConfig
from vineppo.settings.sections import (
    Architecture,
    CheckpointConfig,
    EvaluationConfig,
    PolicyConfig,
    ProcessesConfig,
    RunConfig,
    SamplingConfig,
    TrainingConfig,
)
from vineppo.settings.strict import Strict
from vineppo.steps.delimiter import DelimiterSteps
from vineppo.steps.lines import LinesSteps
from vineppo.steps.math import MathSteps
from vineppo.steps.tokens import TokensSteps
from vineppo.steps.uncertain import UncertainSteps
from vineppo.steps.whole import WholeSteps
from vineppo.tasks.arithmetic import ArithmeticTask
from vineppo.tasks.custom import CustomTask
from vineppo.tasks.dataset import DatasetTask
from vineppo.tasks.gsm8k import Gsm8kTask
from vineppo.tasks.mathematics import MathTask
from vineppo.tasks.reasoning_gym import ReasoningGymTask
from vineppo.tasks.registers import RegistersTask
from vineppo.tasks.word_problems.task import WordProblemsTask

# --- the doors ---------------------------------------------------------------------------------------------------

Credit = Annotated[
    VineCredit
    | CoupledCredit
    | TreeCredit
    | PpoCredit
    | GrpoCredit
    | RlooCredit
    | GrpoLambdaCredit
    | SpoTreeCredit
    | CapoCredit
    | SrpoCredit,
    Field(discriminator="name"),
]  # fmt: skip

Task = Annotated[
    ArithmeticTask
    | RegistersTask
    | WordProblemsTask
    | Gsm8kTask
    | MathTask
    | DatasetTask
    | ReasoningGymTask
    | CustomTask,
    Field(discriminator="name"),
]  # fmt: skip

Steps = Annotated[
    LinesSteps
    | MathSteps
    | DelimiterSteps
    | TokensSteps
    | UncertainSteps
    | WholeSteps,
    Field(discriminator="name"),
]  # fmt: skip

Curriculum = Annotated[
    UniformCurriculum
    | EpochCurriculum
    | LearnabilityCurriculum
    | LearnabilityBufferCurriculum,
    Field(discriminator="name"),
]  # fmt: skip

Recipe = Annotated[
    PolicyIterationRecipe
    | RestEmRecipe
    | DpoPositiveRecipe
    | IntRecipe,
    Field(discriminator="name"),
]  # fmt: skip

Engine = Annotated[
    TorchEngineConfig
    | VllmEngineConfig,
    Field(discriminator="name"),
]  # fmt: skip

# --- what stands behind them -------------------------------------------------------------------------------------


class Config(Strict):
    """One training run."""

    recipe: Recipe = PolicyIterationRecipe()
    task: Task = ArithmeticTask()
    policy: PolicyConfig = PolicyConfig()
    sampling: SamplingConfig = SamplingConfig()
    steps: Steps = LinesSteps()
    credit: Credit = TreeCredit()
    engine: Engine = TorchEngineConfig()
    learner: LearnerConfig = LearnerConfig()
    training: TrainingConfig = TrainingConfig()
    curriculum: Curriculum = UniformCurriculum()
    evaluation: EvaluationConfig = EvaluationConfig()
    analysis: AnalysisConfig = AnalysisConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    processes: ProcessesConfig = ProcessesConfig()
    run: RunConfig = RunConfig()

    @property
    def batch(self) -> int:
        """Trajectories per iteration."""
        return self.training.batch

    @property
    def updates_per_iteration(self) -> int:
        """Optimizer steps where all that is sampled is learned from, as in recipe policy_iteration; at most."""
        return self.learner.updates_of(self.credit.samples_of(self.batch))

    def evaluates_after(self, iteration: int) -> bool:
        """Whether an evaluation follows it: every so often, and the last."""
        every = self.evaluation.every
        return iteration == self.training.iterations or (every > 0 and iteration % every == 0)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for choice, does in (
            (self.recipe, "recipe {} pairs the responses to"),
            (self.credit, "credit {} compares the trajectories of"),
        ):
            least = choice.least_trajectories
            if self.training.trajectories < least:
                raise ValueError(
                    f"{does.format(choice.called)} one question, but training.trajectories is "
                    f"{self.training.trajectories}; set it to at least {least}"
                )
        if self.sampling.temperature == 0:
            raise ValueError(
                "sampling.temperature is 0 (greedy), which leaves nothing to explore; set it above 0, e.g. 1.0 "
                "(evaluation.temperature may be 0)"
            )
        return self


class SftConfig(Strict):
    """One supervised finetuning run, on demonstrations of a data set or of a task's own."""

    task: Task = ArithmeticTask()
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
