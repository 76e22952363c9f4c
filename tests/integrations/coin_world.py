"""A policy whose law is written down, as a real Llama that TRL can train: what comes next depends on the last token.

    ?  ->  3 or 5, one half each      3  ->  +      +  ->  7 or 2, one half each      5  ->  -      7, 2, -  ->  end

The reward is 1 for a 7. So V(?) = 1/4, V(?3) = V(?3+) = 1/2, V(?3+7) = 1, V(?3+2) = V(?5) = 0.
"""

from math import log

import torch
from datasets import Dataset
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from vineppo.policy import load_tokenizer

WIDTH = 64
NEVER = -30.0
LAW = {"?": "35", "3": "+", "+": "72", "5": "-"}
ADVANTAGES = {"3+7": (0.25, 0.0, 0.5, 0.0), "3+2": (0.25, 0.0, -0.5, 0.0), "5-": (-0.25, 0.0, 0.0)}
"""With every token a step, the end included."""


def tokenizer() -> PreTrainedTokenizerBase:
    return load_tokenizer("bundled:arithmetic")


def coin_model() -> LlamaForCausalLM:
    """Layers that add nothing, one number of the embedding for each token, and the law's log-probs in the head."""
    words = tokenizer()
    end, pad = words.eos_token_id, words.pad_token_id
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(words),
            hidden_size=WIDTH,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=64,
            tie_word_embeddings=False,
            eos_token_id=end,
            pad_token_id=pad,
            bos_token_id=None,
        )
    )
    with torch.no_grad():
        layer = model.model.layers[0]
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(len(words), WIDTH))
        law = torch.full((len(words), len(words)), NEVER)
        law[:, end] = 0.0
        for last, nexts in LAW.items():
            law[words.convert_tokens_to_ids(last)] = NEVER
            for token in nexts:
                law[words.convert_tokens_to_ids(last), words.convert_tokens_to_ids(token)] = -log(len(nexts))
        head = torch.zeros(len(words), WIDTH)
        head[:, : len(words)] = law.T / WIDTH**0.5  # the norm makes the one number the root of the width
        model.lm_head.weight.copy_(head)
    return model


def seven(completions: list, **_: object) -> list[float]:
    """The reward, for text and for messages."""
    return [
        float("7" in str(completion if isinstance(completion, str) else completion[0])) for completion in completions
    ]


def questions(count: int = 8) -> Dataset:
    """Prompts that all end with `?`."""
    return Dataset.from_list([{"prompt": f"{start}=?", "answer": "7"} for start in range(count)])
