"""What samples: the engine's own copy of the weights, and keys and values. A pool's replicas are other processes."""

from vineppo.config.memory.networks import computed
from vineppo.config.memory.parts import ALWAYS, GIB, Part, Phase, Place, in_words
from vineppo.config.model_shape import ModelShape
from vineppo.config.schema import Config, TorchEngineConfig, VllmEngineConfig

FREE_SHARE = 0.5
"""Of what is free on a GPU beside the networks, for the embedded engine where engine.memory_gib says nothing."""
SIZES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes a number."""


def engine_parts(config: Config, shape: ModelShape, place: Place, *, longest: int, networks: int) -> list[Part]:
    """Of the engine in this process. networks: bytes of what learns and its copies, once all of it is there."""
    if config.engine.pool.replicas:
        return []
    match config.engine:
        case TorchEngineConfig() as torch:
            return torch_parts(config, torch, shape, place, longest=longest, networks=networks)
        case VllmEngineConfig() as vllm:
            return [vllm_part(config, vllm, shape, place, longest=longest)]


def token_bytes(shape: ModelShape, size: int) -> int:
    """Keys and values of one token."""
    return size * 2 * shape.layers * shape.keys


def torch_parts(
    config: Config, engine: TorchEngineConfig, shape: ModelShape, place: Place, *, longest: int, networks: int
) -> list[Part]:
    """The trained weights themselves where they are whole and float32, else a copy; and all else that it holds, which
    it frees when it sleeps."""
    size = computed(config)
    parts: list[Part] = []
    if place.sharded or config.learner.lora is not None or config.policy.dtype != "float32":
        made_of = f"what is sampled from: {shape.parameters:,} x {size} bytes"
        parts.append(Part(name="engine's copy", bytes=size * shape.parameters, made_of=made_of))
    sample = longest * token_bytes(shape, size)
    each = f"{token_bytes(shape, size) / 1024:,.0f} KiB a token"
    if engine.memory_gib is not None:
        taken = int(engine.memory_gib * GIB)
        made_of = f"engine.memory_gib: {taken // sample:,} samples of {longest:,} tokens at {each}"
    elif place.gpu_bytes is not None:
        taken = max(sample, int(FREE_SHARE * (place.gpu_bytes - networks - sum(part.bytes for part in parts))))
        made_of = f"{FREE_SHARE:.0%} of what is free: {taken // sample:,} samples of {longest:,} tokens at {each}"
    else:
        share = f"{FREE_SHARE:.0%} of what is free" if place.gpu else "a share of what is free"
        taken, made_of = sample, f"one sample of {longest:,} tokens at {each}, at least; the engine takes {share}"
    return [*parts, Part(name="keys and values", bytes=taken, phases=("sample",), made_of=made_of)]


def vllm_part(config: Config, engine: VllmEngineConfig, shape: ModelShape, place: Place, *, longest: int) -> Part:
    """All that vLLM takes of this GPU. Asleep it takes nothing, which a CPU's does not do."""
    size = computed(config) if engine.dtype == "auto" else SIZES[engine.dtype]
    phases: tuple[Phase, ...] = ("sample",) if engine.sleep and place.gpu else ALWAYS
    weights = size * shape.parameters // engine.tensor_parallel
    least = weights + longest * token_bytes(shape, size) // engine.tensor_parallel
    held, made_of = least, f"a copy of the weights ({in_words(weights)}) and "
    if engine.memory_gib is not None:
        held, made_of = weights + int(engine.memory_gib * GIB), f"{made_of}engine.memory_gib"
    elif not place.gpu:
        held = weights + min(GIB, engine.rows * longest * token_bytes(shape, size))
        made_of = f"{made_of}at most 1 GiB of keys and values"
    elif place.gpu_bytes is None:
        made_of = f"{made_of}one sample, at least; it takes {engine.gpu_memory_share:.0%} of the GPU for them"
    else:
        held = max(least, int(engine.gpu_memory_share * place.gpu_bytes))
        made_of = f"engine.gpu_memory_share of the GPU: {made_of}keys and values"
    return Part(name="vLLM", bytes=held, phases=phases, made_of=made_of)
