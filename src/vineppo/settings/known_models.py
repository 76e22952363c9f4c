"""The shapes of the models that the shipped configs name, for forecasts where nothing of them is on this machine.

Facts from their config.json, as far as memory depends on them. What is on the disk always wins over this table.
"""

TINY_LLAMA_1_1B = {
    "model_type": "llama",
    "hidden_size": 2048,
    "num_hidden_layers": 22,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "intermediate_size": 5632,
    "vocab_size": 32000,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
}
"""Rho-1B continues TinyLlama (arXiv 2404.07965)."""

DEEPSEEK_7B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 30,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "intermediate_size": 11008,
    "vocab_size": 102400,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}

QWEN_2_5_0_5B = {
    "model_type": "qwen2",
    "hidden_size": 896,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "intermediate_size": 4864,
    "vocab_size": 151936,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": True,
}

QWEN_2_5_1_5B = {
    "model_type": "qwen2",
    "hidden_size": 1536,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "intermediate_size": 8960,
    "vocab_size": 151936,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": True,
}

SMOLLM2_135M = {
    "model_type": "llama",
    "hidden_size": 576,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "intermediate_size": 1536,
    "vocab_size": 49152,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
}

KNOWN_MODELS = {
    "realtreetune/rho-1b-sft-GSM8K": TINY_LLAMA_1_1B,
    "realtreetune/rho-1b-sft-MATH": TINY_LLAMA_1_1B,
    "realtreetune/deepseekmath-7b-sft-GSM8K": DEEPSEEK_7B,
    "realtreetune/deepseekmath-7b-sft-MATH-v2": DEEPSEEK_7B,
    "Qwen/Qwen2.5-0.5B-Instruct": QWEN_2_5_0_5B,
    "Qwen/Qwen2.5-1.5B-Instruct": QWEN_2_5_1_5B,
    "HuggingFaceTB/SmolLM2-135M-Instruct": SMOLLM2_135M,
}
