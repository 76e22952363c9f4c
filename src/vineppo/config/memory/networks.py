"""What is held of networks: weights, gradients, moments, and copies of the starting policy."""

from dataclasses import replace

from vineppo.config.schema import Config
from vineppo.recipes.settings import CopySizes
from vineppo.settings.learner import LoraConfig
from vineppo.settings.memory import FLOAT32, UPDATE, Part, Place
from vineppo.settings.model_shape import ModelShape

MOMENTS = 2


def network_parts(config: Config, shape: ModelShape, place: Place) -> list[Part]:
    """Of the policy, the value network and the copies; this process's share of them."""
    parts = [*policy_parts(config, shape), *critic_parts(config, shape, place), *copies(config, shape, place)]
    parts += update_parts(config, shape, place)
    return [replace(part, bytes=-(-part.bytes // place.shards)) for part in parts]


def computed(config: Config) -> int:
    """Bytes a number of what is computed with and does not learn."""
    return FLOAT32 if config.policy.dtype == "float32" else 2


def policy_parts(config: Config, shape: ModelShape) -> list[Part]:
    """Weights and moments."""
    learns, parts = trained_parameters(config, shape), []
    if config.learner.lora is not None:
        made_of = f"{shape.parameters:,} x {computed(config)} bytes"
        parts.append(Part(name="frozen weights", bytes=computed(config) * shape.parameters, made_of=made_of))
    name = "weights" if config.learner.lora is None else "adapters"
    return [
        *parts,
        Part(name=name, bytes=FLOAT32 * learns, made_of=f"{learns:,} x {FLOAT32} bytes"),
        Part(name="optimizer", bytes=MOMENTS * FLOAT32 * learns, made_of="AdamW's two moments"),
    ]


def trained_parameters(config: Config, shape: ModelShape) -> int:
    """Of the policy."""
    return shape.parameters if config.learner.lora is None else adapter_parameters(config.learner.lora, shape)


def adapter_parameters(lora: LoraConfig, shape: ModelShape) -> int:
    """Of matrices of rank r beside a layer from m to n numbers: r (m + n)."""
    layers = shape.linear_layers
    wanted = layers if lora.targets is None else [name for name in layers if name in lora.targets]
    return shape.layers * lora.rank * sum(sum(layers[name]) for name in wanted)


def has_critic(config: Config) -> bool:
    """Whether there is a value network."""
    return config.recipe.assigns_credit and config.credit.critic is not None


def critic_parameters(config: Config, shape: ModelShape) -> int:
    """The policy's backbone and one output."""
    return shape.backbone + shape.width + 1 if has_critic(config) else 0


def critic_parts(config: Config, shape: ModelShape, place: Place) -> list[Part]:
    """The value network; its gradients too where DDP keeps them."""
    if not has_critic(config):
        return []
    own = critic_parameters(config, shape)
    numbers, words = (4, "weights, moments, gradients") if place.replicated else (3, "weights, moments")
    made_of = f"{words} of {own:,} parameters"
    return [Part(name="value network", bytes=numbers * FLOAT32 * own, made_of=made_of)]


def copies(config: Config, shape: ModelShape, place: Place) -> list[Part]:
    """Of the policy as it was."""
    sizes = CopySizes(trained=FLOAT32 * trained_parameters(config, shape), frozen=computed(config) * shape.parameters)
    return config.recipe.copies(config.learner, sizes, place)


def update_parts(config: Config, shape: ModelShape, place: Place) -> list[Part]:
    """Gradients. Policy and value network are updated one after the other, so that only the larger one's count."""
    policy = trained_parameters(config, shape)
    larger = max(policy, critic_parameters(config, shape))
    if place.replicated:
        return [Part(name="gradients", bytes=FLOAT32 * policy, made_of="DDP keeps them")]
    return [Part(name="gradients", bytes=FLOAT32 * larger, phases=UPDATE, made_of="of one network at a time")]
