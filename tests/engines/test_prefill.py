"""What prompts share is prefilled once, and nothing changes by it."""

import pytest
import torch

from tiny_models import tiny_kind, tiny_model
from vineppo.engines.torch.engine import TorchEngine
from vineppo.engines.torch.prefill import prefill_missing, prefill_rows, prefill_trees
from vineppo.engines.torch.trie import Trie
from vineppo.engines.torch.trunks import Piece, Pieces, Trunk, first_of
from vineppo.types import Request, Sampling

SHARED = tuple(3 + place % 9 for place in range(20))
PROMPTS = [(*SHARED, own, 5, 4) for own in range(3, 9)] + [(*SHARED[:11], 12, 3), (7, 3, 12)]


def whole(all_pieces: list[Pieces]) -> list[torch.Tensor]:
    """Of each sequence, its keys and values."""
    return [torch.cat([piece.planes[:, :, :used] for piece, used in own], dim=2) for own in all_pieces]


@pytest.mark.parametrize("name", ["llama-gqa", "qwen3", "mistral-sliding", "gemma2", "gpt-neox", "phi", "gpt2"])
def test_keys_and_values_are_those_of_rows(name: str):
    model = tiny_model(name)
    found, expected = whole(prefill_trees(model, PROMPTS)), whole(prefill_rows(model, PROMPTS))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["deepseek_v3", "gemma4_text", "gemma4_text sharing", "qwen3_moe"])
def test_so_they_are_where_layers_differ_or_keep_a_latent(name: str):
    model = tiny_kind(name)
    found, expected = whole(prefill_trees(model, PROMPTS)), whole(prefill_rows(model, PROMPTS))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


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
    prefill_missing(model, trunks, Trie(max_kept=0))
    assert sum(tokens) == fed
    assert [sum(used for _, used in trunk.pieces or ()) for trunk in trunks] == [len(own) for own in prompts]


def test_what_prompts_share_is_one_piece():
    # Seven prompts begin with the same eleven tokens, six of them go on with nine; what else there is, each has alone.
    found = prefill_trees(tiny_model("llama"), PROMPTS)
    assert [[used for _, used in own] for own in found] == [[11, 9, 3]] * 6 + [[11, 2], [3]]
    assert len({piece for own in found for piece, _ in own}) == 2 + 6 + 2
    assert sum(piece.length for piece in {piece for own in found for piece, _ in own}) == 20 + 6 * 3 + 2 + 3
    assert all(piece.planes.untyped_storage().nbytes() == piece.planes.nbytes for own in found for piece, _ in own)


def test_a_prompt_that_another_continues_is_its_first_piece():
    short, long = prefill_trees(tiny_model("llama"), [SHARED[:5], SHARED])
    assert [used for _, used in long] == [5, 15]
    assert short == long[:1]


def piece(length: int) -> Piece:
    return Piece(torch.zeros(2, 1, length, 1))


def test_kept_trajectories_count_what_they_begin_with_once():
    kept, prompt = Trie(max_kept=20), ((piece(6), 6), (piece(4), 4))
    kept.keep((*range(10), 11, 12), prompt, lambda: piece(2).planes)
    assert kept.tokens == 12
    kept.keep((*range(8), 21, 22, 23), tuple(first_of(prompt, 8)), lambda: piece(3).planes)
    assert kept.tokens == 15
    assert kept.has(prompt[0][0])
    kept.keep(tuple(range(30, 36)), (), lambda: piece(6).planes)  # does not fit
    assert (kept.tokens, kept.trajectories) == (15, 2)
    kept.keep(tuple(range(9)), tuple(first_of(prompt, 9)), lambda: pytest.fail("there is nothing to copy"))
    assert (kept.tokens, kept.trajectories) == (15, 3)
    kept.clear()
    assert (kept.tokens, kept.has(prompt[0][0])) == (0, False)


@pytest.mark.parametrize("name", ["llama-gqa", "mistral-sliding"])
def test_what_all_questions_share_is_held_once_and_rollouts_are_the_same(name: str):
    model = tiny_model(name)
    engine, poor = (TorchEngine(model, end_ids=(1,), context=64, memory_bytes=memory) for memory in (1 << 24, 0))
    requests = [Request(prefix=own, count=3, seed=i, branches=True) for i, own in enumerate(PROMPTS[:6])]
    law = Sampling(max_new_tokens=12)
    groups = engine.sample(requests, law)
    written = [own.token_ids[:-1] for group in groups for own in group]
    assert engine.trie.kept_tokens <= 20 + 6 * 3 + sum(map(len, written))
    assert engine.trie.kept_tokens >= 20 + 6 * 3 + sum(len(set(own)) > 0 for own in written)
    states = [
        Request(prefix=(*own.prefix, *completion.token_ids[:cut]), count=2, seed=cut)
        for own, group in zip(requests, groups, strict=True)
        for completion in group
        for cut in (1, len(completion.token_ids) - 1)
        if cut
    ]
    for found, expected in zip(engine.sample(states, law), poor.sample(states, law), strict=True):
        assert [own.token_ids for own in found] == [own.token_ids for own in expected]
