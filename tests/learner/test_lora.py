"""Adapters: they begin as nothing, only they learn, and whoever takes the policy away gets an ordinary model."""

import copy
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from recipes.small_runs import QUICK, metrics_of, without_time
from tiny_models import tiny_kind, tiny_model
from vineppo import Trainer, load_config
from vineppo.errors import UserError
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.lora import ADAPTER, MergedWeights, adapted_layers, adapters_off, add_adapters
from vineppo.learner.passes import Passes
from vineppo.learner.reference import frozen_copy, without_adapters
from vineppo.learner.trained import TrainedPolicy
from vineppo.policy import cast, load_policy
from vineppo.settings.learner import LoraConfig
from vineppo.types import PromptAndResponse

IDS = torch.tensor([[3, 4, 5, 6, 7]])
SAMPLES = [PromptAndResponse(token_ids=(3, 4, 5, 6, 7), prompt_length=2)]


def adapted(name: str = "llama-gqa", **settings: object) -> PreTrainedModel:
    model = tiny_model(name)
    add_adapters(model, LoraConfig.model_validate({"rank": 3, **settings}), seed=1)
    return model


def disturb(model: PreTrainedModel) -> None:
    """As if trained: the product of A and B is not 0 any more."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in adapted_layers(model).values():
            weight = layer.lora_B[ADAPTER].weight
            weight.copy_(0.1 * torch.randn(weight.shape, generator=generator))


@torch.no_grad()
def logits(model: PreTrainedModel) -> torch.Tensor:
    return model(IDS, use_cache=False).logits


def test_fresh_adapters_change_nothing_and_are_all_that_learns():
    model = adapted()
    torch.testing.assert_close(logits(model), logits(tiny_model("llama-gqa")))
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learning == {name for name, _ in model.named_parameters() if ".lora_" in name}
    assert len(learning) == 2 * 7 * 3  # A and B of seven matrices in three layers


def test_adapters_learn_in_float32_beside_weights_frozen_in_bfloat16():
    model = cast(tiny_model("llama-gqa"), torch.bfloat16)
    add_adapters(model, LoraConfig(rank=3), seed=1)
    kinds = {(".lora_" in name, p.dtype) for name, p in model.named_parameters()}
    assert kinds == {(True, torch.float32), (False, torch.bfloat16)}


def test_the_seed_decides_the_adapters():
    one, same = (list(adapted().parameters()) for _ in range(2))
    other = tiny_model("llama-gqa")
    add_adapters(other, LoraConfig(rank=3), seed=2)
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, other.parameters(), strict=True))


@pytest.mark.parametrize("name", ["llama-gqa", "gpt2", "qwen3"])
def test_merged_weights_make_the_same_policy(name: str):
    model, plain = adapted(name), tiny_model(name)
    disturb(model)
    assert not torch.allclose(logits(model), logits(plain), atol=1e-2)
    plain.load_state_dict(dict(MergedWeights(model)))
    torch.testing.assert_close(logits(model), logits(plain), atol=1e-4, rtol=1e-4)


def test_the_reference_is_the_policy_without_its_adapters():
    model = adapted()
    disturb(model)
    before = logits(model)
    with adapters_off(model):
        torch.testing.assert_close(logits(model), logits(tiny_model("llama-gqa")))
    assert torch.equal(logits(model), before)
    scorer = TokenLogprobs(model, temperature=0.7, chunk=100)
    expected = frozen_copy(TokenLogprobs(tiny_model("llama-gqa"), temperature=0.7, chunk=100), passes=Passes(rows=2))(
        SAMPLES
    )
    torch.testing.assert_close(without_adapters(scorer, passes=Passes(rows=2))(SAMPLES), expected)


def test_a_snapshot_is_of_the_adapters_alone_and_brings_them_back():
    policy = load_policy("bundled:arithmetic", device="cpu")
    added = add_adapters(policy.model, LoraConfig(rank=2), seed=0)
    trained = TrainedPolicy(policy=policy, scorer=TokenLogprobs(policy.model, temperature=1.0, chunk=9), adapters=added)
    start = trained.snapshot()
    assert all(".lora_" in name for name in start)
    fresh = logits(policy.model)
    disturb(policy.model)
    assert not torch.allclose(logits(policy.model), fresh)
    trained.take(start)
    assert torch.equal(logits(policy.model), fresh)


def test_a_saved_policy_is_an_ordinary_model_and_an_ordinary_adapter(tmp_path: Path):
    from peft import PeftModel

    policy = load_policy("bundled:arithmetic", device="cpu")
    plain = copy.deepcopy(policy.model)
    added = add_adapters(policy.model, LoraConfig(rank=2, targets=["q_proj", "down_proj"]), seed=0)
    disturb(policy.model)
    trained = TrainedPolicy(policy=policy, scorer=TokenLogprobs(policy.model, temperature=1.0, chunk=9), adapters=added)
    trained.save(tmp_path)
    expected = logits(policy.model)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    torch.testing.assert_close(logits(merged), expected, atol=1e-4, rtol=1e-4)
    upon = PeftModel.from_pretrained(plain, str(tmp_path / "adapter"))
    torch.testing.assert_close(logits(upon), expected, atol=1e-4, rtol=1e-4)  # pyright: ignore[reportArgumentType]
    with torch.no_grad():
        for layer in adapted_layers(policy.model).values():
            layer.lora_A[ADAPTER].weight.zero_()
    trained.restore(tmp_path)
    assert torch.equal(logits(policy.model), expected)


@pytest.mark.parametrize(
    ("targets", "message"), [(["nothing"], "learner.lora.targets is"), (["lm_head"], "names lm_head")]
)
def test_targets_that_cannot_be_are_refused(targets: list[str], message: str):
    with pytest.raises(UserError, match=message):
        adapted(targets=targets)


SMALL = [*QUICK, "learner.lora={rank: 4}", "learner.learning_rate=5e-4", "training.iterations=3", "evaluation.every=0"]


def test_a_run_trains_adapters_and_resumes_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    Trainer(load_config(None, [*SMALL, f"run.dir={whole}"])).train()
    history = metrics_of(whole)
    assert all(line["kl"] > 0 for line in history[1:])
    assert all(abs(line["sampler_kl"]) < 1e-5 for line in history[1:])
    config = load_config(None, [*SMALL, f"run.dir={parts}"])
    from vineppo.recipes.run import Run

    iterate = Run._iterate

    def interrupted(run, iteration, display):
        if iteration == 3:
            raise KeyboardInterrupt
        return iterate(run, iteration, display)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "_iterate", interrupted)
        assert not Trainer(config).train().finished
    assert Trainer(config, resume=True).train().finished
    assert without_time(metrics_of(parts)) == without_time(history)


@pytest.mark.parametrize("name", ["mixtral", "qwen3_moe", "deepseek_v3"])
def test_of_a_mixture_of_experts_attention_gets_adapters_unless_asked_otherwise(name: str):
    model = tiny_kind(name)
    add_adapters(model, LoraConfig(rank=2), seed=0)
    adapted = list(adapted_layers(model))
    assert adapted
    assert all("self_attn" in layer for layer in adapted)
    with pytest.raises(UserError, match="no linear layer"):
        add_adapters(
            tiny_kind(name), LoraConfig(rank=2, targets=["experts" if name == "qwen3_moe" else "gate"]), seed=0
        )
