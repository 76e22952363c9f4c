"""Small random models of the architectures people use."""

import torch
from transformers import (
    AutoConfig,
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


# --- by the names of transformers' model types --------------------------------------------------------------------

GROUPED = {**SHAPE, "num_key_value_heads": 2}
EXPERTS = {
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "n_group": 1,
    "topk_group": 1,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
}
LATENT = {
    "q_lora_rank": 16,
    "kv_lora_rank": 8,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 12,
    "num_key_value_heads": 4,
}
ALTERNATING = {
    "head_dim": 8,
    "global_head_dim": 16,
    "sliding_window": 6,
    "num_hidden_layers": 4,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
    "hidden_size_per_layer_input": 8,
    "vocab_size_per_layer_input": 13,
}
LONG_ROTATION = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 4,
    "long_factor": [4.0] * 4,
    "original_max_position_embeddings": 16,
}
KINDS: dict[str, dict[str, object]] = {
    "mixtral": {**GROUPED, **EXPERTS},
    "qwen3_moe": {**GROUPED, **EXPERTS, "head_dim": 8},
    "deepseek_v2": {**SHAPE, **EXPERTS, **LATENT, "topk_method": "greedy"},
    "deepseek_v3": {**SHAPE, **EXPERTS, **LATENT},
    "gemma4_text": {**GROUPED, **ALTERNATING, "num_kv_shared_layers": 0},
    "gemma4_text sharing": {**GROUPED, **ALTERNATING, "num_kv_shared_layers": 2},
    "llama4_text": {**GROUPED, **EXPERTS, "head_dim": 8, "attention_chunk_size": 8, "interleave_moe_layer_step": 2},
    "phi3": {**GROUPED, "rope_parameters": LONG_ROTATION, "original_max_position_embeddings": 16},
    "bloom": {"vocab_size": 13, "hidden_size": 32, "n_layer": 2, "n_head": 4},
    "mamba": {"vocab_size": 13, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
    "rwkv": {"vocab_size": 13, "hidden_size": 32, "num_hidden_layers": 2, "context_length": 64},
    "stablelm": GROUPED,
    "mistral": GROUPED,
    "gpt_neo": {
        "vocab_size": 13,
        "hidden_size": 32,
        "num_layers": 2,
        "num_heads": 4,
        "attention_types": [[["local"], 2]],
    },
}


def tiny_kind(name: str, **settings: object) -> PreTrainedModel:
    """A small random model of a kind of `KINDS`."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(name.split()[0], **{**KINDS[name], **settings})
    model = AutoModelForCausalLM.from_config(config).float().eval()
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(6.0)
    return model
