"""The embedded engine against plain transformers."""

from collections.abc import Sequence
from itertools import product

import pytest
import torch
from transformers import AutoModelForCausalLM, GptOssConfig, MambaConfig, PreTrainedModel

from tiny_models import CONFIGS, SHAPE, tiny_model
from vineppo.engines.torch.engine import TorchEngine
from vineppo.engines.torch.law import sampling_logprobs
from vineppo.errors import UserError
from vineppo.types import Completion, Request, Sampling

END = 1
PROMPTS = ((2, 5, 7), (2, 9), (2, 3, 4, 5, 6, 7, 8, 9, 10, 11), (12,))


def engine_of(model: PreTrainedModel, **settings: int) -> TorchEngine:
    return TorchEngine(model, end_ids=(END,), context=64, **{"rows": 128, "memory_bytes": 1 << 30, **settings})


@torch.no_grad()
def assert_scored_as_sampled(
    model: PreTrainedModel,
    requests: Sequence[Request],
    groups: Sequence[Sequence[Completion]],
    sampling: Sampling,
    *,
    atol: float = 1e-4,
    rtol: float = 1e-4,
) -> None:
    """Every completion's log-probs are those of plain forward passes without a cache."""
    pairs = [(request.prefix, own) for request, group in zip(requests, groups, strict=True) for own in group]
    by_length: dict[int, list[tuple[tuple[int, ...], Completion]]] = {}
    for prefix, own in pairs:  # of equal length side by side: no padding
        by_length.setdefault(len(prefix) + len(own.token_ids), []).append((prefix, own))
    for rows in by_length.values():
        ids = torch.tensor([prefix + own.token_ids for prefix, own in rows])
        laws = sampling_logprobs(model(ids, use_cache=False).logits[:, :-1].flatten(0, 1), sampling)
        scores = laws.gather(-1, ids[:, 1:].flatten()[:, None]).view(len(rows), -1)
        for score, (prefix, own) in zip(scores, rows, strict=True):
            sampled = torch.tensor(own.logprobs).float()
            torch.testing.assert_close(sampled, score[len(prefix) - 1 :].float(), atol=atol, rtol=rtol)


@pytest.mark.parametrize("name", CONFIGS)
def test_logprobs_equal_a_plain_forward_pass_also_for_branches(name: str):
    model, sampling = tiny_model(name), Sampling(temperature=0.8, top_p=0.95, max_new_tokens=20)
    engine = engine_of(model)
    requests = [Request(prefix=prompt, count=3, seed=i, branches=True) for i, prompt in enumerate(PROMPTS)]
    groups = engine.sample(requests, sampling)
    trunks = [r.prefix + c.token_ids for r, group in zip(requests, groups, strict=True) for c in group]
    branches = [Request(prefix=trunk[:cut], count=2, seed=cut) for trunk in trunks for cut in range(3, len(trunk))]
    continued = engine.sample(branches, sampling)
    assert_scored_as_sampled(model, [*requests, *branches], [*groups, *continued], sampling)


@pytest.mark.parametrize("name", CONFIGS)
def test_greedy_equals_generate(name: str):
    model = tiny_model(name)
    groups = engine_of(model).sample(
        [Request(prefix=prompt, count=1, seed=0) for prompt in PROMPTS], Sampling(temperature=0, max_new_tokens=24)
    )
    for prompt, (completion,) in zip(PROMPTS, groups, strict=True):
        reference = model.generate(  # pyright: ignore[reportCallIssue]
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            do_sample=False,
            max_new_tokens=24,
            eos_token_id=END,
            pad_token_id=0,
        )[0, len(prompt) :]
        assert list(completion.token_ids) == reference.tolist()


def test_the_batch_around_a_request_does_not_matter():
    model, sampling = tiny_model("llama-gqa"), Sampling(max_new_tokens=16)
    requests = [Request(prefix=p, count=2, seed=s) for s, p in enumerate(product((2, 3), (4, 5), (6, 7, 8)))]
    together = engine_of(model, rows=64).sample(requests, sampling)
    apart = [engine_of(model, rows=1).sample([request], sampling)[0] for request in requests]
    assert [[c.token_ids for c in g] for g in together] == [[c.token_ids for c in g] for g in apart]


def test_rollouts_reuse_the_keys_and_values_of_their_trajectory():
    model, sampling = tiny_model("llama"), Sampling(max_new_tokens=12)
    engine = engine_of(model)
    ((trajectory,),) = engine.sample([Request(prefix=(2, 5), count=1, seed=0, branches=True)], sampling)
    prefilled: list[torch.Size] = []
    model.base_model.register_forward_pre_hook(
        lambda module, args, kwargs: prefilled.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    whole = (2, 5, *trajectory.token_ids)
    engine.sample([Request(prefix=whole[:cut], count=2, seed=cut) for cut in range(2, len(whole))], sampling)
    assert all(shape[1] == 1 for shape in prefilled), "a rollout prefilled a prefix that the trajectory had decoded"


def test_without_room_to_keep_them_trunks_are_prefilled_once():
    model, sampling = tiny_model("llama"), Sampling(max_new_tokens=12)
    kept, poor = engine_of(model), engine_of(model, memory_bytes=0)
    first = [e.sample([Request(prefix=(2, 5), count=1, seed=0, branches=True)], sampling) for e in (kept, poor)]
    assert first[0] == first[1]
    whole = (2, 5, *first[0][0][0].token_ids)
    requests = [Request(prefix=whole[:cut], count=2, seed=cut) for cut in range(2, len(whole))]
    a, b = kept.sample(requests, sampling), poor.sample(requests, sampling)
    assert [[c.token_ids for c in g] for g in a] == [[c.token_ids for c in g] for g in b]


@pytest.mark.parametrize("num_forbidden", [0, 1])
def test_stratified_first_tokens_come_as_often_as_the_law_says(num_forbidden: int):
    """Of n shares with a point each, a token's stretch of n p shares covers all but at most two whole."""
    model, prefix, count = tiny_model("llama"), (3, 5, 4), 40
    law = model(torch.tensor([prefix])).logits[0, -1].detach().softmax(-1)
    forbidden = tuple(law.topk(num_forbidden).indices.tolist())
    law[list(forbidden)] = 0
    law /= law.sum()
    for seed in range(5):
        request = Request(
            prefix=prefix, count=count, seed=seed, max_new_tokens=1, forbidden_first=forbidden, stratified=True
        )
        [completions] = engine_of(model).sample([request], Sampling(max_new_tokens=4))
        counts = torch.bincount(torch.tensor([own.token_ids[0] for own in completions]), minlength=len(law))
        assert (counts - count * law).abs().max() < 2


@pytest.mark.parametrize("name", ["llama-gqa", "mistral-sliding"])
@pytest.mark.parametrize("settings", [{"memory_bytes": 40_000}, {"memory_bytes": 1}, {"rows": 3}])
def test_rows_that_wait_join_late_or_are_given_back_do_not_change_what_they_become(name: str, settings: dict[str, int]):
    model, sampling = tiny_model(name), Sampling(max_new_tokens=40)
    requests = [Request(prefix=(2, 3 + i, 4, 5), count=3, seed=i) for i in range(4)]
    plenty = engine_of(model).sample(requests, sampling)
    scarce = engine_of(model, **settings).sample(requests, sampling)
    assert [[c.token_ids for c in g] for g in plenty] == [[c.token_ids for c in g] for g in scarce]
    assert_scored_as_sampled(model, requests, scarce, sampling)


def test_all_rollouts_of_a_state_share_the_forward_pass_of_their_first_token():
    model = tiny_model("llama")
    engine, fed = engine_of(model), []
    model.register_forward_pre_hook(lambda module, args, kwargs: fed.append(len(kwargs["input_ids"])), with_kwargs=True)
    engine.sample([Request(prefix=(2, 5), count=20, seed=0), Request(prefix=(2, 6), count=20, seed=1)], Sampling())
    assert fed[0] == 2
    assert fed[1] > 20


def test_bfloat16_stays_near_float32():
    model = tiny_model("llama-gqa").to(torch.bfloat16)
    request = Request(prefix=(2, 5, 7), count=4, seed=0)
    groups = engine_of(model).sample([request], Sampling(max_new_tokens=12))
    assert_scored_as_sampled(model, [request], groups, Sampling(), atol=0.5, rtol=0.1)


def test_an_architecture_with_attention_sinks_is_refused():
    config = GptOssConfig(**SHAPE, num_key_value_heads=2, head_dim=8, num_local_experts=2, num_experts_per_tok=1)
    with pytest.raises(UserError, match="attention sinks"):
        engine_of(AutoModelForCausalLM.from_config(config))


def test_a_model_that_attends_otherwise_is_refused():
    model = tiny_model("llama")
    model.model.layers[1].self_attn.scaling *= 1.5  # pyright: ignore
    engine_of(model)  # the module says so itself: fine
    keep = model.model.layers[1].self_attn.forward  # pyright: ignore

    def only_plain_attention_is_scaled(*args: torch.Tensor, **kwargs: object):
        out, weights = keep(*args, **kwargs)
        return (out if "branching" in kwargs else 2 * out), weights

    model.model.layers[1].self_attn.forward = only_plain_attention_is_scaled  # pyright: ignore
    with pytest.raises(UserError, match="attends in a way"):
        engine_of(model)


def test_the_model_attends_as_before_after_sampling():
    model = tiny_model("llama")
    before = model.config._attn_implementation
    engine_of(model).sample([Request(prefix=(2, 5), count=2, seed=0)], Sampling(max_new_tokens=3))
    assert model.config._attn_implementation == before


def test_a_row_that_reached_the_context_does_not_disturb_the_others():
    engine = TorchEngine(tiny_model("gpt2"), end_ids=(), context=64, rows=8)
    groups = engine.sample(
        [Request(prefix=(2,) * length, count=1, seed=0) for length in (62, 20, 20, 20, 20)], Sampling(max_new_tokens=30)
    )
    assert [len(group[0].token_ids) for group in groups] == [2, 30, 30, 30, 30]


def test_progress_ends_at_the_total():
    calls: list[tuple[int, int]] = []
    engine_of(tiny_model("llama"), rows=2).sample(
        [Request(prefix=(2, 5), count=5, seed=0)], Sampling(max_new_tokens=2), progress=lambda *c: calls.append(c)
    )
    assert calls == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_an_architecture_without_keys_and_values_is_refused():
    config = MambaConfig(vocab_size=13, hidden_size=16, num_hidden_layers=1, state_size=4)
    with pytest.raises(UserError, match="Mamba"):
        engine_of(AutoModelForCausalLM.from_config(config))
