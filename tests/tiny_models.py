"""Small random models of the architectures people use."""

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    PhiConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

SHAPE = {
    "vocab_size": 13,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "eos_token_id": 1,
    "bos_token_id": 2,
    "pad_token_id": 0,
}

CONFIGS: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**SHAPE, num_key_value_heads=4),
    "llama-gqa": LlamaConfig(**SHAPE, num_key_value_heads=2),
    "qwen2": Qwen2Config(**SHAPE, num_key_value_heads=2),
    "qwen3": Qwen3Config(**SHAPE, num_key_value_heads=2, head_dim=8),
    "mistral-sliding": MistralConfig(**SHAPE, num_key_value_heads=2, sliding_window=6),
    "gemma": GemmaConfig(**SHAPE, num_key_value_heads=1, head_dim=8),
    "gemma2": Gemma2Config(**SHAPE, num_key_value_heads=2, head_dim=8, sliding_window=6),
    "gpt-neox": GPTNeoXConfig(**SHAPE),
    "phi": PhiConfig(**SHAPE),
    "gpt2": GPT2Config(vocab_size=13, n_embd=32, n_layer=3, n_head=4, n_positions=64, eos_token_id=1, bos_token_id=2),
}


def tiny_model(name: str, *, sharpness: float = 6.0) -> PreTrainedModel:
    """Random weights, the output scaled so that the law is neither uniform nor certain."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIGS[name]).float().eval()
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(sharpness)
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.mul_(2.0)
    return model
