"""The settings of the embedded engine. Torch-free."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from vineppo.engines.settings import EngineSettings
from vineppo.settings.memory import FREE_SHARE, Held, Part, Place
from vineppo.settings.model_shape import ModelShape

if TYPE_CHECKING:
    from vineppo.engines.torch.engine import TorchEngine
    from vineppo.policy import Policy


class TorchEngineConfig(EngineSettings):
    """The embedded engine: transformers in this process, sharing the policy's weights."""

    name: Literal["torch"] = "torch"
    rows: int = Field(default=1024, ge=1)
    """Most sequences decoded side by side."""
    memory_gib: float | None = Field(default=None, gt=0)
    """For all that sampling holds: keys and values, their copies, logits. Null takes a share of what the learner leaves
    free on the policy's device. Trajectories that do not fit into half of it are prefilled again for their rollouts."""
    compile: bool | None = None
    """Record decoding steps as CUDA graphs and replay them, which spares launching every kernel from Python. Null: on a
    GPU. A model whose steps cannot be recorded is decoded without, and a message says so."""

    def build(self, policy: "Policy") -> "TorchEngine":
        """Around the policy's own weights."""
        from vineppo.chat import response_decoder
        from vineppo.engines.torch.engine import TorchEngine
        from vineppo.engines.torch.recordings import choose_capture

        return TorchEngine(
            policy.model,
            end_ids=policy.end_ids,
            context=self.context_for(policy),
            rows=self.rows,
            memory_bytes=self.memory_bytes,
            decode=response_decoder(policy.tokenizer, policy.end_ids),
            capture=choose_capture(policy.device, self.compile),
        )

    def memory_parts(self, held: Held, shape: ModelShape, place: Place, *, longest: int) -> list[Part]:
        """The trained weights themselves where they can be sampled from, else a copy; and all else that it holds, which
        it frees when it sleeps."""
        parts: list[Part] = []
        if held.apart:
            made_of = f"what is sampled from: {shape.parameters:,} x {held.computed} bytes"
            parts.append(Part(name="engine's copy", bytes=held.computed * shape.parameters, made_of=made_of))
        token = shape.token_bytes(held.computed)
        sample, each = longest * token, f"{token / 1024:,.0f} KiB a token"
        if self.memory_bytes is not None:
            taken, made_of = self.memory_bytes, "engine.memory_gib"
        elif place.gpu_bytes is not None:
            free = place.gpu_bytes - held.networks - sum(part.bytes for part in parts)
            taken, made_of = max(sample, int(FREE_SHARE * free)), f"{FREE_SHARE:.0%} of what is free"
        else:
            share = f"{FREE_SHARE:.0%}" if place.gpu else "a share"
            taken, made_of = sample, f"at least, the engine takes {share} of what is free"
        made_of = f"{made_of}: {taken // sample:,} samples of {longest:,} tokens at {each}"
        return [*parts, Part(name="keys and values", bytes=taken, phases=("sample",), made_of=made_of)]
