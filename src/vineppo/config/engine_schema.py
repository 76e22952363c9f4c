"""What samples: the settings of `engine`, one class per engine."""

from typing import Annotated, Literal

from pydantic import Field

from vineppo.config.pool_schema import PoolConfig
from vineppo.config.strict import Strict


class TorchEngineConfig(Strict):
    """The embedded engine: transformers in this process, sharing the policy's weights."""

    name: Literal["torch"] = "torch"
    rows: int = Field(default=1024, ge=1)
    """Most sequences decoded side by side."""
    context: int | None = Field(default=None, ge=1)
    """Most tokens, prompt and response together; null takes the policy's. Some models need a smaller one."""
    memory_gib: float | None = Field(default=None, gt=0)
    """For all that sampling holds: keys and values, their copies, logits. Null takes a share of what the learner leaves
    free on the policy's device. Trajectories that do not fit into half of it are prefilled again for their rollouts."""
    compile: bool | None = None
    """Record decoding steps as CUDA graphs and replay them, which spares launching every kernel from Python. Null: on a
    GPU. A model whose steps cannot be recorded is decoded without, and a message says so."""
    pool: PoolConfig = PoolConfig()


class VllmEngineConfig(Strict):
    """vLLM in this process, with weights of its own. Needs the extra `vineppo[vllm]`."""

    name: Literal["vllm"] = "vllm"
    rows: int = Field(default=256, ge=1)
    """Most sequences decoded side by side."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of its weights, keys and values; auto takes the policy's."""
    context: int | None = Field(default=None, ge=1)
    """Most tokens, prompt and response together; null takes the policy's. A smaller one needs less memory."""
    gpu_memory_share: float = Field(default=0.5, gt=0, le=1)
    """Of the GPU's whole memory, for weights, keys and values."""
    memory_gib: float | None = Field(default=None, gt=0)
    """For keys and values alone; null takes what the share leaves, and on the CPU at most 1."""
    eager: bool | None = None
    """Do not compile the model: slower, but ready at once; null: only on the CPU."""
    tensor_parallel: int = Field(default=1, ge=1)
    """GPUs that each layer is spread over."""
    sleep: bool = True
    """Give the GPU's memory back to the learner while it updates. On the CPU it gives nothing."""
    pool: PoolConfig = PoolConfig()


EngineConfig = Annotated[TorchEngineConfig | VllmEngineConfig, Field(discriminator="name")]
