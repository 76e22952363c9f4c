"""What a forward and a backward pass hold: activations of the longest micro-batch, logits, passing copies of weights.

A layer keeps, a token: its two norms' inputs, inner products and outputs; queries, keys and values repeated to all
heads, and attention's output twice (5 q); the feed-forward layer's four (4 i). In bfloat16 the norms still compute in
float32, and beside float32 weights so does the residual stream; each linear layer then copies a norm's output.

               norms, bytes a d   kept of a layer with learner.gradient_checkpointing: what goes into it
    float32         24                 4
    bfloat16        26                 4         beside float32 weights, of which it makes copies of 2 bytes
    bfloat16        16                 2         weights in bfloat16: sharded, or frozen beside adapters
"""

from vineppo.config.memory.networks import computed, has_critic
from vineppo.config.schema import Config
from vineppo.settings.memory import FLOAT32, Part, Phase, Place
from vineppo.settings.model_shape import ModelShape

LOGIT_COPIES = 5
"""Logits, divided, normalised, their gradient and that of what it came from, in float32, at the peak."""
BOTH = 2
"""Weights and their gradients, of what FSDP2 has made whole."""
AHEAD = 2
"""Layers that FSDP2 holds whole: the one that computes and the next."""

PASSES: tuple[Phase, ...] = ("score", "backward")


def pass_parts(config: Config, shape: ModelShape, place: Place, *, rows: int, longest: int) -> list[Part]:
    """Of a micro-batch of the longest samples. Only their responses are predicted."""
    tokens = rows * longest
    chunk = min(config.learner.logprob_chunk, rows * min(config.sampling.max_new_tokens, longest))
    again = ", recomputed layer by layer" if config.learner.gradient_checkpointing else ""
    return [
        Part(
            name="activations",
            bytes=tokens * token_activations(config, shape, place),
            phases=("backward",),
            made_of=f"{rows} x {longest:,} tokens{again}",
        ),
        Part(
            name="logits",
            bytes=LOGIT_COPIES * FLOAT32 * chunk * shape.vocabulary,
            phases=("backward",),
            made_of=f"{LOGIT_COPIES} x {chunk:,} positions x {shape.vocabulary:,} tokens",
        ),
        *passing_weights(config, shape, place),
    ]


def token_activations(config: Config, shape: ModelShape, place: Place) -> int:
    """Bytes that the backward pass needs of a token."""
    size = computed(config)
    norms, residual = (24, 4) if size == FLOAT32 else (26, 4) if cast_in_passes(config, place) else (16, 2)
    adapters = 0 if config.learner.lora is None else len(shape.linear_layers) * config.learner.lora.rank
    layer = norms * shape.width + size * (5 * shape.queries + 4 * shape.feed_forward + adapters)
    last = 4 * FLOAT32 * shape.width
    if config.learner.gradient_checkpointing:
        return shape.layers * residual * shape.width + layer + last
    return shape.layers * layer + last


def cast_in_passes(config: Config, place: Place) -> bool:
    """Whether a network that learns whole is kept in float32 and computed in bfloat16."""
    whole = config.learner.lora is None or has_critic(config)
    return computed(config) < FLOAT32 and whole and not place.sharded


def passing_weights(config: Config, shape: ModelShape, place: Place) -> list[Part]:
    """Copies in bfloat16, or what shards are put together to."""
    size, phases = computed(config), PASSES
    if place.sharded:
        gathered = shape.parameters - shape.layers * shape.layer + AHEAD * shape.layer
        made_of = f"embeddings and {AHEAD} layers, made whole, and their gradients"
        return [Part(name="unsharded", bytes=BOTH * size * gathered, phases=phases, made_of=made_of)]
    if cast_in_passes(config, place):
        made_of = f"{shape.parameters:,} x {size} bytes"
        return [Part(name="weights in bfloat16", bytes=size * shape.parameters, phases=phases, made_of=made_of)]
    return []
