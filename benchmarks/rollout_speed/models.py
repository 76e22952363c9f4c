"""The models that are measured: random weights of a given shape, or the bundled policy. No downloads."""

from typing import assert_never

import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from rollout_speed.names import Model, Place
from vineppo.policy import load_policy
from vineppo.rng import derive_seed

QWEN_SHAPE = {
    "vocab_size": 151_936,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "rope_theta": 1e6,
    "tie_word_embeddings": True,
    "bos_token_id": None,
    "eos_token_id": None,
}


def make_model(name: Model, place: Place) -> PreTrainedModel:
    """On the given device, in the given precision. Weights are random, from a fixed seed, except the bundled ones."""
    torch.manual_seed(derive_seed("benchmark", name) % 2**32)
    with torch.device(place.device):
        match name:
            case Model.TINY:
                model = LlamaForCausalLM(_llama(hidden=128, intermediate=336, layers=4))
            case Model.SMALL:
                model = LlamaForCausalLM(_llama(hidden=256, intermediate=624, layers=6))
            case Model.HALF_B:
                model = Qwen2ForCausalLM(_qwen(hidden=896, intermediate=4864, layers=24, heads=14))
            case Model.ONE_AND_A_HALF_B:
                model = Qwen2ForCausalLM(_qwen(hidden=1536, intermediate=8960, layers=28, heads=12))
            case Model.ARITHMETIC:
                model = load_policy("bundled:arithmetic", device=place.device).model
            case _:
                assert_never(name)
    nn.Module.to(model, dtype=_dtype(place.dtype))
    return model.eval()


def _llama(*, hidden: int, intermediate: int, layers: int) -> LlamaConfig:
    """The shape of the bundled policy, larger: four heads, tied embeddings, a small vocabulary."""
    return LlamaConfig(
        vocab_size=128,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
    )


def _qwen(*, hidden: int, intermediate: int, layers: int, heads: int) -> Qwen2Config:
    return Qwen2Config(
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        **QWEN_SHAPE,
    )


def _dtype(name: str) -> torch.dtype:
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]
