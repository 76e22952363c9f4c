"""What prompts share is prefilled once, and nothing changes by it."""

import pytest
import torch

from tiny_models import tiny_kind, tiny_model
from vineppo.engines.torch.trunks import Trunk, prefill_missing, prefill_rows, prefill_trees

SHARED = tuple(3 + place % 9 for place in range(20))
PROMPTS = [(*SHARED, own, 5, 4) for own in range(3, 9)] + [(*SHARED[:11], 12, 3), (7, 3, 12)]


@pytest.mark.parametrize("name", ["llama-gqa", "qwen3", "mistral-sliding", "gemma2", "gpt-neox", "phi", "gpt2"])
def test_keys_and_values_are_those_of_rows(name: str):
    model = tiny_model(name)
    torch.testing.assert_close(prefill_trees(model, PROMPTS), prefill_rows(model, PROMPTS), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["deepseek_v3", "gemma4_text", "gemma4_text sharing", "qwen3_moe"])
def test_so_they_are_where_layers_differ_or_keep_a_latent(name: str):
    model = tiny_kind(name)
    torch.testing.assert_close(prefill_trees(model, PROMPTS), prefill_rows(model, PROMPTS), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("prompts", "fed"),
    [
        (PROMPTS, 20 + 6 * 3 + 2 + 3),  # what all share, what six have of their own, and two others
        ([(3, 4, 5), (3, 6, 7), (8, 9, 4)], 9),  # too little is shared: three rows
        ([(3, 4, 5)], 3),
    ],
)
def test_what_is_fed(prompts: list[tuple[int, ...]], fed: int):
    model, tokens = tiny_model("llama"), []
    model.base_model.register_forward_pre_hook(
        lambda module, args, given: tokens.append(given["input_ids"].numel()), with_kwargs=True
    )
    trunks = [Trunk(prompt) for prompt in prompts]
    prefill_missing(model, trunks)
    assert sum(tokens) == fed
    assert all(trunk.keys_values is not None and trunk.keys_values.shape[2] == len(trunk.tokens) for trunk in trunks)
