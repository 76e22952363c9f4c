"""The memory forecast: parameters counted one by one, activations as autograd keeps them."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from small_shapes import LLAMA, shape_of
from tiny_models import CONFIGS
from vineppo.cli import main
from vineppo.config.known_models import KNOWN_MODELS
from vineppo.config.load import load_config
from vineppo.config.memory import GIB, MemoryForecast, forecast_memory
from vineppo.config.model_shape import ModelShape, find_shape, read_shape
from vineppo.learner.batch import collate
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.types import PromptAndResponse

ROOT = Path(__file__).resolve().parents[2]

# --- shapes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama", "llama-gqa", "qwen2", "qwen3", "mistral-sliding"])
@pytest.mark.parametrize("tied", [True, False])
def test_parameters_are_as_many_as_the_model_has(name: str, tied: bool):
    config = CONFIGS[name].to_dict() | {"tie_word_embeddings": tied}
    model = AutoModelForCausalLM.from_config(type(CONFIGS[name])(**config))
    shape = shape_of(config)
    assert shape.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert shape.backbone == sum(parameter.numel() for parameter in model.base_model.parameters())


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("realtreetune/rho-1b-sft-MATH", 1_100_048_384),
        ("realtreetune/deepseekmath-7b-sft-GSM8K", 6_910_365_696),
        ("Qwen/Qwen2.5-0.5B-Instruct", 494_032_768),
        ("Qwen/Qwen2.5-1.5B-Instruct", 1_543_714_304),
    ],
)
def test_known_models_have_the_parameters_that_are_published(name: str, parameters: int):
    assert shape_of(KNOWN_MODELS[name]).parameters == parameters


def test_a_folder_wins_over_the_table_and_the_bundled_policy_is_a_folder(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "Qwen/Qwen2.5-0.5B-Instruct"
    assert isinstance(shape := find_shape(name), ModelShape)
    assert shape.parameters == 494_032_768
    (tmp_path / name).mkdir(parents=True)
    (tmp_path / name / "config.json").write_text(json.dumps(LLAMA))
    assert isinstance(shape := find_shape(name), ModelShape)
    assert (shape.origin, shape.width) == ("its config.json", 64)
    assert isinstance(shape := find_shape("bundled:arithmetic"), ModelShape)
    assert shape.parameters == 448_992


def test_what_is_unknown_is_said():
    assert "nothing is downloaded" in str(find_shape("nobody/nothing"))
    assert "nothing is downloaded" in str(find_shape("bundled:nothing"))
    assert "'gpt2'" in str(read_shape({"model_type": "gpt2"}, "its config.json"))


# --- the forecast ------------------------------------------------------------------------------------------------


def forecast(*overrides: str) -> MemoryForecast:
    base = ["learner.micro_batch=2", "learner.logprob_chunk=50", "sampling.max_new_tokens=40"]
    return forecast_memory(load_config(None, [*base, *overrides]), shape_of(LLAMA), prompt=24)


def sizes(*overrides: str) -> dict[str, int]:
    return {part.name: part.bytes for part in forecast(*overrides).parts}


def test_weights_gradients_optimizer_and_reference():
    parameters = shape_of(LLAMA).parameters
    parts = sizes()
    assert [parts[name] // parameters for name in ("weights", "gradients", "optimizer", "reference")] == [4, 4, 8, 4]
    assert "reference" not in sizes("learner.kl_coefficient=0")


def test_ppo_has_a_value_network_and_rest_em_its_copies():
    shape = shape_of(LLAMA)
    assert sizes("credit=ppo")["value network"] == 16 * (shape.parameters - 100 * 64 + 64)
    assert sizes("recipe=rest_em")["copies"] == 8 * shape.parameters
    assert sizes("recipe={name: rest_em, validation_questions: 0}")["copies"] == 4 * shape.parameters
    assert not sizes("recipe=dpo_positive").keys() & {"copies", "reference", "value network"}


def test_keys_and_values_of_a_token():
    assert forecast().token_bytes == 4 * 2 * 3 * 2 * 16, "float32, keys and values, 3 layers, 2 heads of 16"
    assert sizes()["keys and values"] == 64 * 768
    assert sizes("engine.memory_gib=2")["keys and values"] == 2 * GIB


def test_a_sample_is_no_longer_than_the_context():
    assert forecast().longest == 64
    assert forecast("sampling.max_new_tokens=5000").longest == 128


def test_activations_are_what_autograd_keeps():
    """Within a quarter above, never below: what is kept for the backward pass, weights not counted."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**{k: v for k, v in LLAMA.items() if k != "model_type"}))
    scorer = TokenLogprobs(model, temperature=1.0, chunk=50)
    samples = [PromptAndResponse(token_ids=tuple(range(64)), prompt_length=24) for _ in range(2)]
    batch = collate(samples)
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logprobs, _ = scorer(batch.token_ids, batch.attention_mask, batch.rows, batch.columns)
    measured = sum(storage.nbytes() for storage in kept.values())
    predicted = sizes()["activations"]
    assert measured <= predicted <= 1.25 * measured, f"{predicted / measured:.3f}"
    assert logprobs.requires_grad


@pytest.mark.parametrize(
    "path", sorted(set((ROOT / "configs").glob("*.yaml")) - set((ROOT / "configs").glob("sft_*"))), ids=lambda p: p.stem
)
def test_every_training_config_has_a_forecast_in_its_dry_run(path: Path, capsys):
    assert main(["train", str(path), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "memory of one process" in printed
    assert "decoded tokens" in printed
    assert "no forecast" not in printed


def test_a_dry_run_without_a_forecast_says_why(capsys):
    assert main(["train", "policy.path=nobody/nothing", "--dry-run"]) == 0
    assert "Memory: no forecast for policy.path nobody/nothing: " in capsys.readouterr().out
