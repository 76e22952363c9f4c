"""The update: the settings of `learner`."""

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field, model_validator

from vineppo.settings.strict import Strict

Average = Literal["tokens", "responses", "sums", "limit"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """Each token's log-ratio is pooled with those before it (`vineppo.learner.pooling`)."""

    decay: float
    """Per token between the two."""
    since_start: bool = False
    """Or between the earlier one and the response's start, where that is less."""


Ratio = Literal["token", "sequence"] | Trace


class LoraConfig(Strict):
    """Train low-rank adapters instead of the policy's own weights. Needs the extra `vineppo[lora]`."""

    rank: int = Field(default=16, ge=1)
    """Of the matrices that are added."""
    alpha: int = Field(default=32, ge=1)
    """The product of an adapter's two matrices is multiplied by alpha / rank."""
    targets: list[str] | None = None
    """Last parts of the names of the layers that get one, e.g. [q_proj, v_proj]; null: all linear ones but the output
    embedding, of a mixture of experts those of its attention."""


class CriticConfig(Strict):
    """A value network that is trained beside the policy."""

    learning_rate: float
    value_clip: float | None
    epochs: int | None
    """Over an iteration's trajectories; None: as many as the policy's."""
    warmup_iterations: int
    """At the start, in which only the value network learns."""


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
    """Trajectories per update, or all of an iteration where those are fewer; the loss is averaged over all of them."""
    micro_batch: int = Field(default=16, ge=1)
    """Trajectories per forward pass. Memory, and speed on a GPU, which waits for the launches of a small pass."""
    pack_tokens: int | None = Field(default=None, ge=0)
    """Samples that share prefixes go through the model as token trees, each distinct token once, wherever that takes
    fewer operations: the most tokens of such a pass. null: as many as `micro_batch` of the longest samples have.
    0: never as trees. Memory only."""
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
    average: Average | None = None
    """Of the policy loss over a minibatch. tokens: mean over its tokens (VinePPO, PPO, DAPO); responses: mean over
    trajectories of each one's token mean (GRPO); sums: mean over trajectories of each one's sum (RLOO); limit: sum over
    tokens / (trajectories x sampling.max_new_tokens) (Dr. GRPO). null: what the credit method's paper does."""
    ratio: Literal["token", "sequence"] | None = None
    """Of probabilities, that is clipped. token: each token's own (PPO); sequence: one for the response, the geometric
    mean of its tokens' (GSPO, arXiv 2507.18071, which has average=responses and a clip of about 3e-4). null: what the
    credit method's paper does."""
    skip_idle: bool | None = None
    """Do not compute what follows a trajectory's last advantage: the same update in less time. Needs kl_coefficient 0,
    which leaves such tokens without a gradient, and not ratio=sequence. Entropy and ratios are then of the others.
    null: wherever it can be done."""
    lora: LoraConfig | None = None
    """Train low-rank adapters only; null trains all of the policy's weights."""
    gradient_checkpointing: bool = False
    """Recompute each layer's activations in the backward pass. Memory only; about a third slower."""
    reference_offload: bool = False
    """Keep the starting policy, which the KL needs, in the CPU's memory between scorings. Memory only."""

    def updates_of(self, trajectories: int) -> int:
        """Optimizer steps for so many trajectories."""
        return self.epochs * -(-trajectories // self.minibatch)

    def skips_idle(self, ratio: Ratio) -> bool:
        """Whether idle tails are left out, where this ratio is clipped."""
        return self.skip_idle is not False and not self.kl_coefficient and ratio != "sequence"

    @model_validator(mode="after")
    def _skips_what_has_no_gradient(self) -> Self:
        if self.skip_idle and self.kl_coefficient:
            raise ValueError(
                f"learner.skip_idle is true, but kl_coefficient is {self.kl_coefficient}, which gives every token a "
                "gradient; set kl_coefficient to 0, or skip_idle to false"
            )
        return self

    @model_validator(mode="after")
    def _skips_no_part_of_a_ratio(self) -> Self:
        if self.skip_idle and self.ratio == "sequence":
            raise ValueError(
                "learner.skip_idle is true, but learner.ratio is sequence, to which all tokens of a response belong; "
                "set skip_idle to false"
            )
        return self

    @model_validator(mode="after")
    def _offloads_something(self) -> Self:
        if self.reference_offload and (self.lora is not None or not self.kl_coefficient):
            raise ValueError(
                "learner.reference_offload is true, but there is no copy of the starting policy to offload "
                f"({'kl_coefficient is 0' if self.lora is None else 'learner.lora needs none'}); set it to false"
            )
        return self
