"""A small Llama whose weights are a formula, the same in every library version. Needs only transformers."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

VOCABULARY = 16


def formula_llama(phase: float) -> LlamaForCausalLM:
    """Another phase, other weights."""
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=64,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=1,
            pad_token_id=0,
        )
    ).float()
    with torch.no_grad():
        for place, parameter in enumerate(model.parameters()):
            wave = torch.sin(1.7 * torch.arange(parameter.numel(), dtype=torch.float64) + place + phase)
            offset = 1.0 if parameter.ndim == 1 else 0.0
            parameter.copy_((offset + 0.3 * wave).reshape(parameter.shape).float())
    return model.eval()
