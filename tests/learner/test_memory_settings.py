"""What trades memory for time or precision: recomputed activations, bfloat16, a reference that waits on the CPU."""

import gc
import weakref
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, OPTConfig

from recipes.small_runs import QUICK, metrics_of, without_time
from tiny_models import tiny_model
from vineppo import Trainer, load_config
from vineppo.engines.fake import FakeEngine
from vineppo.errors import UserError
from vineppo.learner.batch import Batch, collate
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.passes import Passes
from vineppo.learner.recompute import enable_recompute
from vineppo.learner.reference import frozen_copy
from vineppo.policy import load_policy
from vineppo.recipes.build import build_environment, build_workshop
from vineppo.settings.learner import LearnerConfig
from vineppo.tasks.build import build_task
from vineppo.types import PromptAndResponse

SAMPLES = [PromptAndResponse(token_ids=(3, 4, 5, 6, 7), prompt_length=2)] * 2
SMALL = [*QUICK, "training.iterations=2", "evaluation.every=0", "learner.learning_rate=1e-4"]


def gradients(scorer: TokenLogprobs) -> dict[str, torch.Tensor]:
    batch = collate(SAMPLES)
    logprobs, _ = scorer(batch)
    logprobs.sum().backward()
    return {name: p.grad.clone() for name, p in scorer.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", ["llama-gqa", "gpt2", "gpt-neox"])
def test_recomputed_activations_give_the_same_gradients_for_a_second_forward_pass(name: str):
    plain = tiny_model(name)
    expected = gradients(TokenLogprobs(plain, temperature=0.7, chunk=100))
    model, passes = tiny_model(name), []
    enable_recompute(model)
    layer_type = type(next(m for m in model.modules() if type(m).__name__ in (model._no_split_modules or ())))
    for layer in (m for m in model.modules() if type(m) is layer_type):
        layer.register_forward_pre_hook(lambda *_: passes.append(1))
    found = gradients(TokenLogprobs(model, temperature=0.7, chunk=100, recompute=True))
    assert found.keys() == expected.keys()
    for parameter, gradient in expected.items():
        torch.testing.assert_close(found[parameter], gradient)
    assert len(passes) == 2 * 3
    assert not any(module.training for module in model.modules())


def test_layers_that_would_drop_out_are_refused():
    config = OPTConfig(
        vocab_size=13, hidden_size=32, ffn_dim=32, num_hidden_layers=2, num_attention_heads=4, dropout=0.5,
        max_position_embeddings=64, word_embed_proj_dim=32,
    )  # fmt: skip
    with pytest.raises(UserError, match="drop activations out"):
        enable_recompute(AutoModelForCausalLM.from_config(config).eval())


def test_recomputing_changes_no_run(tmp_path: Path):
    for name, setting in (("plain", "false"), ("recomputed", "true")):
        overrides = [*SMALL, "credit=ppo", f"learner.gradient_checkpointing={setting}", f"run.dir={tmp_path / name}"]
        Trainer(load_config(None, overrides)).train()
    assert without_time(metrics_of(tmp_path / "plain")) == without_time(metrics_of(tmp_path / "recomputed"))


def test_in_bfloat16_the_weights_that_learn_stay_float32(tmp_path: Path):
    run = tmp_path / "run"
    # Far smaller updates than bfloat16 can add to a weight: without float32 masters nothing would be learned.
    overrides = [*SMALL, "policy.dtype=bfloat16", "learner.learning_rate=1e-6", f"run.dir={run}"]
    trained = Trainer(load_config(None, overrides)).train()
    start, end = (
        AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).state_dict()
        for path in (Path("src/vineppo/assets/arithmetic_mixed"), trained.policy)
    )
    moved = [(end[name] - start[name]).abs().max().item() for name in start]
    assert all(0 < change < 1e-4 for change in moved)
    assert all(abs(line["sampler_kl"]) < 0.02 for line in metrics_of(run)[1:])


class Travelling(nn.Module):
    """Says where it was when it was called."""

    def __init__(self, log: list[str]):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.log = log

    def to(self, device):
        self.log.append(f"to {device}")
        return self

    def forward(self, batch: Batch):
        self.log.append("scores")
        return torch.zeros(len(batch.targets)), None


def test_an_offloaded_reference_comes_to_score_and_goes_again():
    log: list[str] = []
    reference = frozen_copy(Travelling(log), passes=Passes(rows=1), device=torch.device("cuda"))
    assert len(reference(SAMPLES)) == 2
    assert log == ["to cuda", "scores", "scores", "to cpu"]


def test_offloading_changes_no_run(tmp_path: Path):
    for name, setting in (("stays", "false"), ("travels", "true")):
        overrides = [*SMALL, f"learner.reference_offload={setting}", f"run.dir={tmp_path / name}"]
        Trainer(load_config(None, overrides)).train()
    assert without_time(metrics_of(tmp_path / "stays")) == without_time(metrics_of(tmp_path / "travels"))


def test_what_adapters_have_no_use_for_is_refused():
    with pytest.raises(UserError, match="reference_offload"):
        load_config(None, ["learner.lora={rank: 2}", "learner.reference_offload=true"])
    assert LearnerConfig().lora is None


def test_a_copy_that_an_engine_only_starts_from_goes(monkeypatch: pytest.MonkeyPatch):
    """As vLLM and a pool do, which have weights of their own."""
    monkeypatch.setattr("vineppo.recipes.build.build_engine", lambda *_: FakeEngine(lambda _: [1.0], end_ids=(0,)))
    config = load_config(None, ["policy.dtype=bfloat16"])
    sampled = build_workshop(config).sampled(load_policy("bundled:arithmetic", device="cpu"))
    task, model = build_task(config.task), weakref.ref(sampled.model)
    environment = build_environment(sampled, task, config.engine)
    tokens = sampled.encode("1+2=")
    del sampled
    gc.collect()
    assert model() is None
    assert environment.encode("1+2=") == tokens
    assert environment.decode(tokens) == "1+2="
