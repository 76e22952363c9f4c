"""One check says which models the embedded engine takes; those it takes sample what a plain forward pass scores."""

from inspect import isfunction

import pytest
import torch
from beartype import beartype
from jaxtyping import jaxtyped
from transformers import AttentionInterface, PreTrainedModel

from tiny_models import tiny_kind, tiny_model
from vineppo.attending.interface import thresholds
from vineppo.engines.torch import attention, check
from vineppo.engines.torch.check import check_branching
from vineppo.engines.torch.engine import TorchEngine
from vineppo.errors import UserError
from vineppo.policy import Policy
from vineppo.types import Request, Sampling

PROMPT = tuple(range(2, 12))


def furthest(model: PreTrainedModel, *, context: int = 64) -> float:
    """Largest difference of log-probs of trajectories and of rollouts inside them from plain ones."""
    engine = TorchEngine(model, end_ids=(), context=context, rows=16, memory_bytes=1 << 26)
    first = [Request(prefix=PROMPT, count=3, seed=0, branches=True)]
    (group,) = engine.sample(first, Sampling(max_new_tokens=50))
    second = [
        Request(prefix=PROMPT + own.token_ids[:cut], count=1, seed=cut)
        for own in group
        for cut in (3, 20)
        if cut < len(own.token_ids)
    ]
    groups = engine.sample(second, Sampling(max_new_tokens=50))
    worst = 0.0
    for request, completions in zip([*first, *second], [group, *groups], strict=True):
        for own in completions:
            tokens = torch.tensor([[*request.prefix, *own.token_ids]])
            with torch.no_grad():
                law = model(tokens, use_cache=False).logits[0].float().log_softmax(-1)
            plain = law[len(request.prefix) - 1 : -1].gather(-1, tokens[0, len(request.prefix) :, None]).squeeze(-1)
            worst = max(worst, float((plain - torch.tensor(own.logprobs)).abs().max()))
    return worst


@pytest.mark.parametrize(
    "name", ["mixtral", "qwen3_moe", "deepseek_v2", "deepseek_v3", "gemma4_text", "gemma4_text sharing"]
)
def test_what_is_taken_samples_what_is_scored(name: str):
    """Experts, latents, planes of several sizes, layers that share keys and values."""
    assert furthest(tiny_kind(name)) < 1e-4


@pytest.fixture
def checked_attention(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Its shapes are checked here alone: every layer of every step calls it, and checking that is an eighth of a run's
    time. The names of the functions that were called."""
    called: set[str] = set()

    def checked(function):
        inner = jaxtyped(function, typechecker=beartype)

        def noted(*args: object, **kwargs: object):
            called.add(function.__name__)
            return inner(*args, **kwargs)

        return noted

    for owner in (attention, attention.Branching):
        for name, function in list(vars(owner).items()):
            if isfunction(function) and function.__module__ == attention.__name__ and not name.startswith("__"):
                monkeypatch.setattr(owner, name, checked(function))
    monkeypatch.setitem(AttentionInterface._global_mapping, attention.NAME, attention.branching_attention)
    return called


def test_attention_keeps_the_shapes_it_names(checked_attention: set[str]):
    for name in ("llama-gqa", "mistral-sliding", "gemma2"):
        assert furthest(tiny_model(name)) < 1e-4
    for name in ("deepseek_v3", "gemma4_text sharing"):
        assert furthest(tiny_kind(name)) < 1e-4
    assert checked_attention >= {
        "branching_attention",
        "with_trunks",
        "with_shared",
        "sides",
        "_layer_of",
        "bias",
        "hiding",
    }


@pytest.mark.parametrize("name", ["bloom", "mamba", "rwkv", "stablelm", "gpt_neo"])
def test_what_cannot_be_taken_is_refused_with_a_remedy(name: str):
    """Biases instead of rotations, recurrent states, no keyword arguments through, attention of its own."""
    with pytest.raises(UserError, match=r"policy: \w+ForCausalLM .*; take a decoder-only"):
        TorchEngine(tiny_kind(name), end_ids=(1,), context=64)


def test_chunks_are_looked_for_past_their_length():
    model = tiny_kind("llama4_text")
    with pytest.raises(UserError, match=r"after 9 tokens.*engine\.context=8 keeps"):
        check_branching(model, 64)
    assert furthest(tiny_kind("llama4_text", attention_chunk_size=64)) < 1e-4


def test_a_rotation_by_length_is_taken_only_where_it_does_not_change():
    model = tiny_kind("phi3")
    with pytest.raises(UserError, match=r"longer than 16 tokens.*set engine\.context to at most 16"):
        check_branching(model, 17)
    assert furthest(model, context=16) < 1e-4


def test_windows_are_tried_beyond_their_length():
    assert thresholds(tiny_model("mistral-sliding").config) == [6]
    assert furthest(tiny_model("mistral-sliding")) < 1e-4


def test_a_window_that_is_not_heeded_is_found(monkeypatch: pytest.MonkeyPatch):
    from vineppo.engines.torch import attention

    whole = attention.Branching.bias
    monkeypatch.setattr(attention.Branching, "bias", lambda self, columns, _: whole(self, columns, None))
    with pytest.raises(UserError, match="after 21 tokens"):
        check_branching(tiny_kind("mistral", sliding_window=20), 64)
    check_branching(tiny_kind("mistral", sliding_window=20), 20)


def test_a_config_without_a_context_length_is_refused():
    with pytest.raises(UserError, match="write max_position_embeddings"):
        _ = Policy(model=tiny_kind("bloom"), tokenizer=None).context  # pyright: ignore[reportArgumentType]


def test_rounding_in_low_precision_is_not_taken_for_another_way_to_attend(monkeypatch: pytest.MonkeyPatch):
    """Where bfloat16 differs by more than is allowed, float32 decides, and the weights are as before, to the bit."""
    monkeypatch.setattr(check, "LOW_PRECISION_TOLERANCE", 0.0)
    model = tiny_model("llama").to(torch.bfloat16)  # pyright: ignore[reportArgumentType]
    before = [(parameter.data_ptr(), parameter.detach().clone()) for parameter in model.parameters()]
    difference, tolerance = check.difference_and_tolerance(model, check.SHORTEST)
    assert difference <= tolerance == check.TOLERANCE
    check_branching(model, 64)
    for parameter, (place, kept) in zip(model.parameters(), before, strict=True):
        assert parameter.data_ptr() == place
        assert torch.equal(parameter, kept)
