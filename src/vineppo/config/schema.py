"""The typed configuration tree. Torch-free; frozen; unknown keys are refused.

Defaults of the algorithm are the paper's settings (arXiv 2410.01679). Batch sizes of the algorithm are global;
`micro_batch` and `engine.rows` only trade memory for speed and never change a result beyond rounding.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Strict(BaseModel):
    """A frozen section that knows all its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


# --- task ------------------------------------------------------------------------------------------------------


class ArithmeticTask(Strict):
    """Chains of modular arithmetic, solved one operation a line."""

    name: Literal["arithmetic"] = "arithmetic"
    operations: int = Field(default=8, ge=1, le=200)
    """Operations in a chain; each is one line of the solution."""
    modulus: int = Field(default=50, ge=10, le=1000)
    """Numbers live in 0 .. modulus - 1."""
    operators: str = Field(default="+-*", min_length=1, pattern=r"^[+\-*]+$")
    """Which operators occur."""
    train_questions: int = Field(default=4000, ge=1)
    """Distinct chains to train on."""
    test_questions: int = Field(default=400, ge=1)
    """Distinct chains to evaluate on, none of them among the training questions."""
    seed: int = 0
    """Generates the questions; train and test are disjoint."""
    habits: int = Field(default=10, ge=0)
    """Demonstrations only: how many (operator, operand) pairs carry a habitual error."""
    habit_probability: float = Field(default=0.6, ge=0, le=1)
    """Demonstrations only: how often a habit strikes where it applies."""


class Gsm8kTask(Strict):
    """Grade-school mathematics: the answer follows `####`."""

    name: Literal["gsm8k"] = "gsm8k"
    path: str = "openai/gsm8k"
    """A Hub dataset name, or a local folder with train.jsonl and test.jsonl (columns question, answer)."""
    subset: str | None = "main"
    """The Hub dataset's configuration; ignored for a folder."""
    template: str = "[MATH_TASK] Problem:\n{question}\n\nSolution:"
    """The prompt; `{question}` is replaced."""


class CustomTask(Strict):
    """A task object handed to the Python API; it cannot be named from the command line."""

    name: Literal["custom"] = "custom"


TaskConfig = Annotated[ArithmeticTask | Gsm8kTask | CustomTask, Field(discriminator="name")]


# --- policy, engine, sampling, steps -----------------------------------------------------------------------------


class PolicyConfig(Strict):
    """The model that is trained."""

    path: str = "bundled:arithmetic"
    """A Hugging Face folder or Hub name with model and tokenizer, or `bundled:arithmetic`."""
    device: str = "auto"
    """`auto` takes cuda when there is one, else the cpu."""


class SamplingConfig(Strict):
    """The law that trajectories and rollouts are drawn from."""

    temperature: float = Field(default=0.6, ge=0)
    """Divides the logits, in sampling and in the learner."""
    top_p: float = Field(default=0.9, gt=0, le=1)
    """Keep the smallest set of tokens whose probability reaches this; 1 keeps all."""
    top_k: int = Field(default=0, ge=0)
    """0 keeps all tokens."""
    max_new_tokens: int = Field(default=1024, ge=1)
    """A longer response is cut off, and its reward is 0."""


class EngineConfig(Strict):
    """What samples continuations."""

    name: Literal["torch"] = "torch"
    """torch: transformers in this process."""
    rows: int = Field(default=256, ge=1)
    """Sequences decoded side by side."""
    kept_gib: float = Field(default=4.0, ge=0)
    """Keys and values of trajectories kept for their rollouts; what does not fit is prefilled again."""


class LinesSteps(Strict):
    """One step a line."""

    name: Literal["lines"] = "lines"
    answer_prefix: str = "####"
    """A line that starts so states the answer and belongs to the step before it. Empty: every line is a step."""


class WholeSteps(Strict):
    """The whole response is one step."""

    name: Literal["whole"] = "whole"


class MathSteps(Strict):
    """Sentences, displayed formulas and their lines, as the paper cuts MATH."""

    name: Literal["math"] = "math"
    shortest: int = Field(default=20, ge=1)
    """Shorter pieces, in characters, join what follows."""
    longest: int | None = Field(default=100, ge=1)
    """Longer pieces, in characters, are cut at commas and, if need be, inside formulas; none never does so."""


class DelimiterSteps(Strict):
    """A step ends with a given text."""

    name: Literal["delimiter"] = "delimiter"
    delimiter: str = Field(default="\n\n", min_length=1)
    """The end of a step; the default cuts into paragraphs."""


class TokensSteps(Strict):
    """Steps of a fixed length."""

    name: Literal["tokens"] = "tokens"
    length: int = Field(default=32, ge=1)
    """Tokens a step; the last may be shorter."""


class UncertainSteps(Strict):
    """SPO: a step begins where the policy was uncertain."""

    name: Literal["uncertain"] = "uncertain"
    threshold: float = Field(default=0.9, gt=0, le=1)
    """A token less probable than this under the sampling law is a cutpoint."""
    every: int = Field(default=5, ge=1)
    """A step begins at the first cutpoint and then at every so many-th."""


StepsConfig = Annotated[
    LinesSteps | MathSteps | DelimiterSteps | TokensSteps | UncertainSteps | WholeSteps, Field(discriminator="name")
]


# --- credit ------------------------------------------------------------------------------------------------------


class VineCredit(Strict):
    """VinePPO: the value of a state is the mean reward of K rollouts from it."""

    name: Literal["vine"] = "vine"
    rollouts: int = Field(default=9, ge=1)
    """K, rollouts per distinct state."""
    max_states: int | None = Field(default=None, ge=1)
    """Measure at most this many states of a trajectory, from the start; the rest take the trajectory's reward."""
    mask_above: float | None = Field(default=None, gt=0, le=1)
    """SPO's mask: a token this probable or more under the sampling law learns nothing; none: all tokens learn."""


class PpoCredit(Strict):
    """PPO: a value network guesses, GAE mixes."""

    name: Literal["ppo"] = "ppo"
    gae_lambda: float = Field(default=1.0, ge=0, le=1)
    """1: reward minus value; 0: the one-step error."""
    critic_learning_rate: float = Field(default=1e-6, gt=0)
    """Peak, of the value network; it follows learner.schedule."""
    value_clip: float | None = Field(default=0.2, gt=0)
    """Clip the change of each value to this much; null switches it off."""
    critic_warmup_iterations: int = Field(default=0, ge=0)
    """Iterations at the start in which only the value network learns."""


class GrpoCredit(Strict):
    """GRPO: the reward minus the group's mean, over the group's standard deviation."""

    name: Literal["grpo"] = "grpo"
    scale: bool = True
    """Divide by the group's standard deviation (false: Dr. GRPO)."""


class RlooCredit(Strict):
    """RLOO: the reward minus the mean reward of the group's other trajectories."""

    name: Literal["rloo"] = "rloo"


CreditConfig = Annotated[VineCredit | PpoCredit | GrpoCredit | RlooCredit, Field(discriminator="name")]


# --- learner, training -------------------------------------------------------------------------------------------


class LearnerConfig(Strict):
    """The update."""

    learning_rate: float = Field(default=1e-6, gt=0)
    """Peak, AdamW."""
    warmup_ratio: float = Field(default=0.03, ge=0, le=1)
    """Share of all updates in which the learning rate rises linearly."""
    schedule: Literal["linear", "constant"] = "linear"
    """After the warm-up: down to 0 at the last update, or flat."""
    weight_decay: float = Field(default=0.0, ge=0)
    """On matrices only."""
    epochs: int = Field(default=2, ge=1)
    """Passes over each iteration's trajectories."""
    minibatch: int = Field(default=64, ge=1)
    """Trajectories per update; whitening and the token mean are over all of them."""
    micro_batch: int = Field(default=16, ge=1)
    """Trajectories per forward pass. Memory only."""
    logprob_chunk: int = Field(default=4096, ge=1)
    """Token positions per vocabulary-wide softmax. Memory only."""
    clip: float = Field(default=0.2, gt=0)
    """PPO's range of the probability ratio: 1 - clip to 1 + clip."""
    kl_coefficient: float = Field(default=1e-4, ge=0)
    """Weight of the KL to the starting policy; 0 keeps no reference model."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Longer gradients are scaled down to this norm."""
    ratio_guard: float = Field(default=10.0, gt=1)
    """An update whose mean probability ratio exceeds this is skipped and counted."""
    whiten: bool = True
    """Shift and scale advantages to mean 0, variance 1 over the minibatch's tokens."""


class TrainingConfig(Strict):
    """How much, from which seed."""

    iterations: int = Field(default=1000, ge=1)
    """Each samples, credits and updates once."""
    questions: int = Field(default=64, ge=1)
    """Questions per iteration."""
    trajectories: int = Field(default=8, ge=1)
    """Trajectories per question: the group."""
    seed: int = 0
    """All randomness of the run derives from it."""


class CurriculumConfig(Strict):
    """Which questions come next."""

    name: Literal["uniform", "epoch"] = "uniform"
    """uniform: drawn anew each iteration; epoch: every question once before any comes again."""


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
    """Iterations between checkpoints."""
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

    task: TaskConfig = ArithmeticTask()
    policy: PolicyConfig = PolicyConfig()
    sampling: SamplingConfig = SamplingConfig()
    steps: StepsConfig = LinesSteps()
    credit: CreditConfig = VineCredit()
    engine: EngineConfig = EngineConfig()
    learner: LearnerConfig = LearnerConfig()
    training: TrainingConfig = TrainingConfig()
    curriculum: CurriculumConfig = CurriculumConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    run: RunConfig = RunConfig()

    @property
    def batch(self) -> int:
        """Trajectories per iteration."""
        return self.training.questions * self.training.trajectories

    @property
    def updates_per_iteration(self) -> int:
        """Optimizer steps per iteration."""
        return self.learner.epochs * -(-self.batch // self.learner.minibatch)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.learner.minibatch > self.batch:
            raise ValueError(
                f"learner.minibatch is {self.learner.minibatch}, but an iteration has only {self.batch} trajectories "
                f"(training.questions {self.training.questions} x training.trajectories "
                f"{self.training.trajectories}); set learner.minibatch to at most {self.batch}"
            )
        if self.credit.name in ("grpo", "rloo") and self.training.trajectories < 2:
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


class SftConfig(Strict):
    """One supervised finetuning run on a task's demonstrations."""

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
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Longer gradients are scaled down to this norm."""
    seed: int = 0
    """Draws the demonstrations and the random weights."""
    output: str = "runs/sft"
    """Where the Hugging Face folder is written."""
    device: str = "auto"
    """For random weights; a given policy has its own."""
