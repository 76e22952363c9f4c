"""The sections of a configuration that everybody has. Torch-free.

Batch sizes of the algorithm are global; `micro_batch` and `engine.rows` only trade memory for speed and never change a
result beyond rounding.
"""

from dataclasses import replace
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from vineppo.settings.strict import Strict
from vineppo.stops import INCOMPLETE
from vineppo.types import Sampling

LONGEST_STOP = 200
"""Characters of a stop string."""


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
    stop: list[str] = Field(default=[])
    """A response ends with the token after which its text first contains one of these. Judges and steps see the text
    before it; all tokens are learned from. Evaluation has the same."""

    @field_validator("stop")
    @classmethod
    def _can_be_found(cls, stop: list[str]) -> list[str]:
        for text in stop:
            if not 0 < len(text) <= LONGEST_STOP or INCOMPLETE in text:
                raise ValueError(
                    f"sampling.stop holds {text[:40]!r} of {len(text)} characters, but a stop string has 1 to "
                    f"{LONGEST_STOP} and no U+FFFD, which stands for bytes that are no text; correct it or leave it out"
                )
        if len(set(stop)) < len(stop):
            raise ValueError(f"sampling.stop is {stop}, where a stop string stands twice; name each once")
        return stop

    @property
    def law(self) -> Sampling:
        """Of trajectories and rollouts."""
        return Sampling(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            max_new_tokens=self.max_new_tokens,
            stop=tuple(self.stop),
        )


class TrainingConfig(Strict):
    """How much, from which seed."""

    iterations: int = Field(default=1000, ge=1)
    """Each samples, credits and updates once."""
    questions: int = Field(default=64, ge=1)
    """Questions per iteration; all there are, where those are fewer."""
    trajectories: int = Field(default=8, ge=1)
    """Trajectories per question: the group."""
    unfit_questions: Literal["refuse", "drop"] = "refuse"
    """Questions whose prompts are empty, too long or no text: refuse to start, or drop them, with a count."""
    seed: int = 0
    """All randomness of the run derives from it."""

    @property
    def batch(self) -> int:
        """Trajectories per iteration."""
        return self.questions * self.trajectories


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

    def law(self, training: Sampling) -> Sampling:
        """Of evaluation: the training law unless this section says otherwise."""
        asked = {"temperature": self.temperature, "top_p": self.top_p}
        return replace(training, **{name: value for name, value in asked.items() if value is not None})


class CheckpointConfig(Strict):
    """What survives a crash."""

    every: int = Field(default=1, ge=0)
    """Iterations between checkpoints that wait for the disk and are kept; 0: by `every_seconds` alone."""
    every_seconds: float | None = Field(default=None, gt=0)
    """One is due, too, where so many seconds of training passed since the last; null: by iterations alone."""
    between: bool = True
    """Write one after the other iterations too, without waiting for the disk, until the next takes its place: nothing
    that is complete is lost, whatever fails. False writes less, and an update that fails loses all since the last."""
    keep: int = Field(default=2, ge=1)
    """Newest checkpoints kept."""
    keep_every: int = Field(default=0, ge=0)
    """Also keep every checkpoint whose iteration is a multiple of this; 0: none."""

    def is_due(self, iteration: int, seconds: float) -> bool:
        """After this iteration, so many seconds after the last. One is due at the end of a run, too."""
        by_time = self.every_seconds is not None and seconds >= self.every_seconds
        return by_time or (self.every > 0 and iteration % self.every == 0)

    @model_validator(mode="after")
    def _is_ever_due(self) -> Self:
        if not self.every and self.every_seconds is None and not self.between:
            raise ValueError(
                "checkpoint.every is 0, and neither every_seconds nor between asks for a checkpoint, so that a crash "
                "would lose the whole run; set checkpoint.every_seconds, e.g. to 300"
            )
        return self


class RunConfig(Strict):
    """Where the run lives."""

    dir: str = "runs/default"
    """Made if missing; never overwritten. On the command line, settings beside the file join the file's own:
    `credit=ppo` makes runs/NAME-ppo of runs/NAME, which is also what a file NAME.yaml without one gets."""
    trajectories_logged: int = Field(default=8, ge=0)
    """Trajectories written out per iteration for people to read."""
    tracker: Literal["none", "tensorboard", "wandb", "trackio"] = "none"
    """Besides metrics.jsonl, which is always written. Needs the extra `vineppo[trackers]`."""


class ProcessesConfig(Strict):
    """Training on several processes; how many there are is said to `accelerate launch` or `torchrun`."""

    timeout: float = Field(default=3600.0, gt=0)
    """Seconds that a process waits for the others before the run ends with an error; longer than the longest phase."""
