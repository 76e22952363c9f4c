"""The engine of a pool's replica, made in the replica's own process from what travels there: no folder is read."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedConfig, PreTrainedTokenizerBase
from transformers.initialization import no_init_weights

from vineppo.engines.settings import EngineSettings
from vineppo.engines.torch.engine import TorchEngine
from vineppo.engines.torch.memory import default_memory
from vineppo.policy import Policy, pick_device
from vineppo.seams import Engine


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaMaker:
    """All of a policy but its weights, and the engine to make. Pickles."""

    architecture: PreTrainedConfig
    dtype: torch.dtype
    generation: GenerationConfig | None
    tokenizer: PreTrainedTokenizerBase
    engine: EngineSettings
    device: str
    neighbours: int = 1
    """Replicas that share a device, and so what is free on it, this one included."""

    def __call__(self, weights: Mapping[str, Tensor]) -> Engine:
        """The engine that the config names, around a model of its own."""
        with no_init_weights():  # random numbers for a billion weights that are overwritten next
            model = AutoModelForCausalLM.from_config(self.architecture, dtype=self.dtype)
        model.tie_weights()
        model.load_state_dict(weights)
        model.generation_config = self.generation
        nn.Module.to(model, pick_device(self.device))
        engine = self.engine.build(Policy(model=model.eval(), tokenizer=self.tokenizer))
        if isinstance(engine, TorchEngine) and engine.memory_bytes is None:
            engine.allot(default_memory(model.device) // self.neighbours)
        return engine
