"""The settings of vLLM. Torch-free."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from vineppo.engines.settings import EngineSettings
from vineppo.settings.memory import ALWAYS, GIB, Held, Part, Phase, Place, in_words
from vineppo.settings.model_shape import ModelShape

if TYPE_CHECKING:
    from vineppo.engines.vllm.engine import VllmEngine
    from vineppo.policy import Policy

SIZES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes a number."""


class VllmEngineConfig(EngineSettings):
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

    def build(self, policy: "Policy") -> "VllmEngine":
        """With a copy of the policy's weights."""
        from vineppo.chat import response_decoder
        from vineppo.engines.vllm.start import Settings, start_vllm

        settings = Settings(
            rows=self.rows,
            dtype=self.dtype,
            context=self.context_for(policy),
            gpu_memory_share=self.gpu_memory_share,
            memory_bytes=self.memory_bytes,
            eager=self.eager,
            tensor_parallel=self.tensor_parallel,
            sleep=self.sleep,
        )
        decode = response_decoder(policy.tokenizer, policy.end_ids)
        return start_vllm(policy.model, end_ids=policy.end_ids, settings=settings, decode=decode)

    def memory_parts(self, held: Held, shape: ModelShape, place: Place, *, longest: int) -> list[Part]:
        """All that vLLM takes of this GPU. Asleep it takes nothing, which a CPU's does not do."""
        size = held.computed if self.dtype == "auto" else SIZES[self.dtype]
        phases: tuple[Phase, ...] = ("sample",) if self.sleep and place.gpu else ALWAYS
        weights = size * shape.parameters // self.tensor_parallel
        least = weights + longest * shape.token_bytes(size) // self.tensor_parallel
        taken, made_of = least, f"a copy of the weights ({in_words(weights)}) and "
        if self.memory_bytes is not None:
            taken, made_of = weights + self.memory_bytes, f"{made_of}engine.memory_gib"
        elif not place.gpu:
            taken = weights + min(GIB, self.rows * longest * shape.token_bytes(size))
            made_of = f"{made_of}at most 1 GiB of keys and values"
        elif place.gpu_bytes is None:
            made_of = f"{made_of}one sample, at least; it takes {self.gpu_memory_share:.0%} of the GPU for them"
        else:
            taken = max(least, int(self.gpu_memory_share * place.gpu_bytes))
            made_of = f"engine.gpu_memory_share of the GPU: {made_of}keys and values"
        return [Part(name="vLLM", bytes=taken, phases=phases, made_of=made_of)]
