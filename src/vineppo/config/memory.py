"""What a run will need in memory, from the model's shape alone. Torch-free.

With P parameters, P' of the backbone, b bytes a number (4: float32), d, q, k, i, V as in `model_shape`, L layers,
T the tokens of the longest sample (prompt and response) and B = min(learner.micro_batch, learner.minibatch):

    weights, gradients     b P each          optimizer           2 b P (AdamW's two moments)
    reference              b P               with learner.kl_coefficient > 0, in the PPO family; RestEM keeps its start
    value network          4 b (P' + d)      with credit ppo: weights, gradients, moments
    keys and values        2 b L k           a token; the engine takes engine.memory_gib, else a share of what is free,
                                             also during updates (the embedded one then gives half of it back)
    activations            b B T (L (6 d + 5 q + 4 i) + 4 d)     kept for the backward pass of the longest micro-batch
    logits                 5 b min(learner.logprob_chunk, B T) V the output layer's, forward and backward

Activations are those of scaled dot-product attention: a layer keeps the inputs, inner products and outputs of its two
norms (6 d), queries, keys and values repeated to all heads, and attention's output twice (5 q), and the feed-forward
layer's four (4 i).
tests/config/test_memory.py holds that against what autograd keeps. The sum leaves out fragmentation, the CUDA context
(about 0.5 GiB) and whatever else runs: take a tenth more.
"""

from dataclasses import dataclass
from typing import Literal

from vineppo.config.model_shape import ModelShape
from vineppo.config.schema import (
    ArithmeticTask,
    Config,
    CustomTask,
    DatasetTask,
    DpoPositiveRecipe,
    Gsm8kTask,
    MathTask,
    PolicyIterationRecipe,
    PpoCredit,
    ReasoningGymTask,
    RegistersTask,
    RestEmRecipe,
    WordProblemsTask,
)

FLOAT32 = 4
"""Bytes a number; the policy is trained and sampled from in float32."""
MOMENTS = 2
LOGIT_COPIES = 5
"""Logits, divided, normalised, their gradient and that of what it came from: at the peak of the backward pass."""
MIB, GIB = 2**20, 2**30

Phase = Literal["always", "update", "sample"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What one purpose needs."""

    name: str
    bytes: int
    phase: Phase
    made_of: str
    """How it comes about, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryForecast:
    """Of one process on one device."""

    parts: tuple[Part, ...]
    longest: int
    """T"""
    token_bytes: int
    """Keys and values of one token."""

    def peak(self, phase: Phase) -> int:
        """Bytes held while updating, or while sampling."""
        return sum(part.bytes for part in self.parts if part.phase in ("always", phase))

    @property
    def update(self) -> int:
        """Bytes while updating."""
        return self.peak("update")

    @property
    def sample(self) -> int:
        """Bytes while sampling, with the keys and values of one longest sample at least."""
        return self.peak("sample")


def forecast_memory(config: Config, shape: ModelShape, *, prompt: int) -> MemoryForecast:
    """prompt: tokens of the longest one."""
    longest = min(prompt + config.sampling.max_new_tokens, shape.context)
    rows = min(config.learner.micro_batch, config.learner.minibatch)
    tokens, weights = rows * longest, FLOAT32 * shape.parameters
    layer = 6 * shape.width + 5 * shape.queries + 4 * shape.feed_forward
    chunk = min(config.learner.logprob_chunk, tokens)
    token_bytes = FLOAT32 * 2 * shape.layers * shape.keys
    parts = [
        Part(name="weights", bytes=weights, phase="always", made_of=f"{shape.parameters:,} x {FLOAT32} bytes"),
        Part(name="optimizer", bytes=MOMENTS * weights, phase="always", made_of="AdamW's two moments"),
        *extra_models(config, shape),
        Part(name="gradients", bytes=weights, phase="update", made_of="as large as the weights"),
        Part(
            name="activations",
            bytes=FLOAT32 * tokens * (shape.layers * layer + 4 * shape.width),
            phase="update",
            made_of=f"{rows} trajectories x {longest:,} tokens",
        ),
        Part(
            name="logits",
            bytes=LOGIT_COPIES * FLOAT32 * chunk * shape.vocabulary,
            phase="update",
            made_of=f"{LOGIT_COPIES} x {chunk:,} positions x {shape.vocabulary:,} tokens",
        ),
        keys_and_values(config, token_bytes, longest),
    ]
    return MemoryForecast(parts=tuple(parts), longest=longest, token_bytes=token_bytes)


def extra_models(config: Config, shape: ModelShape) -> list[Part]:
    """The reference and the value network, where the method has them."""
    weights = FLOAT32 * shape.parameters
    match config.recipe:
        case RestEmRecipe(validation_questions=validated):
            copies = 2 if validated else 1
            made_of = "the starting policy" + (", and the best epoch's" if validated else "")
            return [Part(name="copies", bytes=copies * weights, phase="always", made_of=made_of)]
        case DpoPositiveRecipe():
            return []
        case PolicyIterationRecipe():
            return ppo_family(config, shape)


def ppo_family(config: Config, shape: ModelShape) -> list[Part]:
    """Reference and value network."""
    parts: list[Part] = []
    if config.learner.kl_coefficient:
        parts.append(
            Part(name="reference", bytes=FLOAT32 * shape.parameters, phase="always", made_of="for the KL term")
        )
    if isinstance(config.credit, PpoCredit):
        own = shape.backbone + shape.width
        made_of = f"{own:,} weights, gradients, moments"
        parts.append(Part(name="value network", bytes=4 * FLOAT32 * own, phase="always", made_of=made_of))
    return parts


def keys_and_values(config: Config, token_bytes: int, longest: int) -> Part:
    """What the engine may take; where it decides itself, the least it can do with."""
    name, each = "keys and values", f"{token_bytes / 1024:,.0f} KiB a token"
    if config.engine.memory_gib is None:
        made_of = f"one sample of {longest:,} tokens at {each}, at least; the engine takes a share of what is free"
        return Part(name=name, bytes=longest * token_bytes, phase="sample", made_of=made_of)
    taken = int(config.engine.memory_gib * GIB)
    made_of = f"engine.memory_gib: {taken // (longest * token_bytes):,} samples of {longest:,} tokens at {each}"
    return Part(name=name, bytes=taken, phase="always", made_of=made_of)


def assumed_prompt(config: Config) -> int:
    """Tokens of the longest prompt, before any is read: an assumption, on the safe side for what ships."""
    match config.task:
        case ArithmeticTask(operations=operations):
            return 3 * operations + 8
        case RegistersTask(instructions=instructions, registers=registers):
            return 3 * instructions + 2 * registers + 8
        case WordProblemsTask(lines=lines, people=people):
            return 10 * lines + 5 * people + 10
        case Gsm8kTask():
            return 400
        case MathTask() | DatasetTask() | ReasoningGymTask() | CustomTask():
            return 1024


def render_memory(forecast: MemoryForecast) -> list[str]:
    """A plain-text table."""
    rows = [(part.name, in_words(part.bytes), part.phase, part.made_of) for part in forecast.parts]
    rows += [("total", in_words(forecast.update), "update", ""), ("", in_words(forecast.sample), "sample", "")]
    first, second = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    return [f"{a:<{first}}  {b:>{second}}  {c:<6}  {d}".rstrip() for a, b, c, d in rows]


def in_words(size: int) -> str:
    """Bytes, for people."""
    return f"{size / GIB:,.2f} GiB" if size >= GIB else f"{size / MIB:,.1f} MiB"


def render_forecast(config: Config, shape: ModelShape | str) -> str:
    """For `--dry-run`: the forecast with what it assumes, or why there is none."""
    if isinstance(shape, str):
        return f"Memory: no forecast for policy.path {config.policy.path}: {shape}."
    prompt = assumed_prompt(config)
    forecast = forecast_memory(config, shape, prompt=prompt)
    return "\n".join(
        [
            f"memory of one process, {config.policy.path} ({shape.parameters:,} parameters, from {shape.origin})",
            *render_memory(forecast),
            f"Assumed: the longest prompt has {prompt:,} tokens, and its response the full "
            f"{config.sampling.max_new_tokens:,}. `vineppo doctor` reads the prompts.",
        ]
    )
