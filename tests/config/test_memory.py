"""The memory forecast: parameters counted one by one, activations as autograd keeps them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from small_shapes import LLAMA, shape_of
from tiny_models import CONFIGS
from vineppo.cli import main
from vineppo.config.load import load_config
from vineppo.config.memory.forecast import forecast_memory
from vineppo.config.memory.networks import adapter_parameters
from vineppo.learner.batch import collate
from vineppo.learner.lora import add_adapters
from vineppo.policy import DTYPES, cast
from vineppo.recipes.build import build_workshop
from vineppo.settings.known_models import KNOWN_MODELS
from vineppo.settings.memory import ALWAYS, GIB, MemoryForecast, Phase, Place
from vineppo.settings.model_shape import ModelShape, find_shape, read_shape
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

ALONE = Place()
DDP, FSDP2 = Place(processes=4), Place(processes=4, sharded=True)
# By hand, of LLAMA: a layer has 2 x 64 x 64 + 2 x 64 x 32 of attention, 3 x 64 x 160 feed-forward, 2 x 64 norms.
LAYER, EMBEDDING = 43_136, 6_400
P = 3 * LAYER + 2 * EMBEDDING + 64
CRITIC = 3 * LAYER + EMBEDDING + 64 + 64 + 1
ADAPTERS = 3 * 4 * (2 * (64 + 64) + 2 * (64 + 32) + 3 * (64 + 160))
LORA, BFLOAT16 = "learner.lora={rank: 4}", "policy.dtype=bfloat16"
WHOLE = {"weights": 4 * P, "optimizer": 8 * P, "gradients": 4 * P}
"""Of float32 weights on one GPU, or on each of several with DDP."""


def forecast(*overrides: str, place: Place = ALONE) -> MemoryForecast:
    base = ["learner.micro_batch=2", "learner.logprob_chunk=50", "sampling.max_new_tokens=40"]
    return forecast_memory(load_config(None, [*base, *overrides]), shape_of(LLAMA), place, prompt=24)


def sizes(*overrides: str, place: Place = ALONE) -> dict[str, int]:
    return {part.name: part.bytes for part in forecast(*overrides, place=place).parts}


def phases(*overrides: str, place: Place = ALONE) -> dict[str, tuple[Phase, ...]]:
    return {part.name: part.phases for part in forecast(*overrides, place=place).parts}


def held(sizes: dict[str, int]) -> dict[str, int]:
    """Of networks alone."""
    return {name: size for name, size in sizes.items() if name not in ("keys and values", "activations", "logits")}


def test_the_shape_is_as_counted_by_hand():
    assert (shape_of(LLAMA).parameters, shape_of(LLAMA).layer) == (P, LAYER)


@pytest.mark.parametrize(
    ("overrides", "place", "expected"),
    [
        ([], ALONE, WHOLE | {"reference": 4 * P}),
        ([], DDP, WHOLE | {"reference": 4 * P}),
        ([BFLOAT16], ALONE, WHOLE | {"reference": 2 * P, "engine's copy": 2 * P, "weights in bfloat16": 2 * P}),
        (
            [BFLOAT16],
            FSDP2,
            {"weights": P, "optimizer": 2 * P, "gradients": P, "reference": P // 2}
            | {"engine's copy": 2 * P, "unsharded": 2 * 2 * (2 * EMBEDDING + 64 + 2 * LAYER)},
        ),
        (
            [BFLOAT16, LORA],
            ALONE,
            {"frozen weights": 2 * P, "adapters": 4 * ADAPTERS, "optimizer": 8 * ADAPTERS, "gradients": 4 * ADAPTERS}
            | {"engine's copy": 2 * P},
        ),
    ],
    ids=["float32", "DDP", "bfloat16", "FSDP2", "LoRA"],
)
def test_what_is_held_of_networks(overrides: list[str], place: Place, expected: dict[str, int]):
    assert held(sizes(*overrides, place=place)) == expected


def test_gradients_come_and_go_but_for_ddps_buffers():
    assert phases()["gradients"] == ("backward", "step")
    assert phases(place=DDP)["gradients"] == ALWAYS


def test_ppo_has_a_value_network_and_only_one_networks_gradients_at_a_time():
    assert sizes("credit=ppo")["value network"] == 12 * CRITIC
    assert sizes("credit=ppo")["gradients"] == 4 * P
    assert sizes("credit=ppo", LORA)["gradients"] == 4 * CRITIC
    assert sizes("credit=ppo", place=DDP)["value network"] == 16 * CRITIC
    assert sizes("credit=ppo", place=FSDP2)["value network"] == 3 * CRITIC
    assert sizes("credit=ppo", "recipe=rest_em").keys().isdisjoint({"value network"})


def test_a_reference_may_wait_elsewhere_or_not_be_needed():
    assert "reference" not in sizes("learner.kl_coefficient=0")
    away = ["learner.reference_offload=true"]
    assert phases(*away)["reference"] == ("score",)
    assert phases(*away, place=Place(gpu=False))["reference"] == ALWAYS
    assert forecast().during("sample") - forecast(*away).during("sample") == 4 * P


def test_rest_em_has_its_copies():
    assert sizes("recipe=rest_em")["copies"] == 8 * P
    assert sizes("recipe={name: rest_em, validation_questions: 0}")["copies"] == 4 * P
    assert sizes("recipe=rest_em", LORA)["copies"] == 8 * ADAPTERS
    assert not sizes("recipe=dpo_positive").keys() & {"copies", "reference", "value network"}


CRITIC_MODEL = "adviser: {policy: {path: 'bundled:arithmetic'"


def test_an_adviser_is_held_beside_the_policy_where_it_is_a_model_on_the_same_device():
    capo = f"credit={{name: capo, {CRITIC_MODEL}"
    assert sizes(f"{capo}}}}}}}")["adviser"] == 4 * 448_992
    assert sizes(f"{capo}, dtype: bfloat16}}}}}}", place=FSDP2)["adviser"] == 2 * 448_992
    assert sizes(f"recipe={{name: int, {CRITIC_MODEL}}}}}}}")["adviser"] == 4 * 448_992
    elsewhere = (
        f"{capo}, device: cpu}}}}}}",
        "credit={name: capo, adviser: {name: endpoint, model: m}}",
        "credit=capo",
    )
    for overrides in elsewhere:
        assert "adviser" not in sizes(overrides)
    assert "adviser" not in sizes(f"{capo}}}}}}}", "recipe=rest_em")


def test_what_an_adviser_holds_is_no_longer_free_for_the_engine():
    whole = replace(ALONE, gpu_bytes=GIB)
    with_critic = sizes(f"credit={{name: capo, {CRITIC_MODEL}}}}}}}", place=whole)
    assert sizes("credit=grpo", place=whole)["keys and values"] - with_critic["keys and values"] == 2 * 448_992


def test_adapters_are_as_many_as_peft_makes():
    peft_targets = ["learner.lora={rank: 4, targets: [q_proj, down_proj]}"]
    for overrides in ([LORA], peft_targets):
        lora = load_config(None, overrides).learner.lora
        assert lora is not None
        model = llama()
        add_adapters(model, lora, seed=0)
        made = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        assert adapter_parameters(lora, shape_of(LLAMA)) == made


def test_keys_and_values_of_a_token():
    token = 4 * 2 * 3 * 2 * 16  # float32, keys and values, 3 layers, 2 heads of 16
    assert sizes()["keys and values"] == 64 * token
    assert sizes(BFLOAT16)["keys and values"] == 64 * token // 2
    assert sizes("engine.memory_gib=2")["keys and values"] == 2 * GIB
    assert phases("engine.memory_gib=2")["keys and values"] == ("sample",)


def test_where_nothing_is_said_the_engine_gets_half_of_what_networks_leave_of_the_gpu():
    there = forecast(place=Place(gpu_bytes=80 * GIB))
    networks = 20 * P  # weights, moments, gradients and the reference, in float32
    taken = sizes(place=Place(gpu_bytes=80 * GIB))["keys and values"]
    assert taken == (80 * GIB - networks) // 2
    assert there.during("sample") < 80 * GIB
    assert phases(place=Place(gpu_bytes=80 * GIB))["keys and values"] == ("sample",)
    assert sizes(place=Place(gpu_bytes=1024))["keys and values"] == sizes()["keys and values"], "one sample, at least"


def test_vllm_takes_its_share_of_the_gpu_and_gives_it_back_when_asleep():
    vllm, gpu = [BFLOAT16, "engine=vllm", "engine.gpu_memory_share=0.25"], Place(gpu_bytes=80 * GIB)
    assert sizes(*vllm, place=gpu)["vLLM"] == 20 * GIB
    assert phases(*vllm, place=gpu)["vLLM"] == ("sample",)
    assert phases(*vllm, "engine.sleep=false", place=gpu)["vLLM"] == ALWAYS
    assert phases(*vllm, place=Place(gpu=False))["vLLM"] == ALWAYS
    assert sizes(*vllm)["vLLM"] == 2 * P + 64 * 384, "at least, where the GPU is not known"
    assert sizes(*vllm, "engine.memory_gib=3", place=gpu)["vLLM"] == 2 * P + 3 * GIB
    assert sizes(*vllm, "engine.dtype=float32")["vLLM"] == 4 * P + 64 * 768
    assert sizes(*vllm, "engine.tensor_parallel=2")["vLLM"] == P + 32 * 384
    assert "engine's copy" not in sizes(*vllm)


def test_a_pool_samples_elsewhere():
    pooled = sizes(BFLOAT16, "engine.pool.replicas=2")
    assert pooled.keys().isdisjoint({"engine's copy", "keys and values", "vLLM"})


def test_a_sample_is_no_longer_than_the_context():
    assert forecast().longest == 64
    assert forecast("sampling.max_new_tokens=5000").longest == 128


def test_the_peak_is_that_of_the_phase_that_holds_most():
    full = forecast("engine.memory_gib=1", place=Place(gpu=False))
    assert full.peak == full.during("sample") == GIB + 16 * P
    least = forecast(place=Place(gpu=False))
    assert least.peak == least.during("backward") == sum(p.bytes for p in least.parts if p.phases != ("sample",))
    asleep = forecast("engine=vllm", place=Place(gpu_bytes=80 * GIB))
    assert asleep.peak == asleep.during("sample") == 40 * GIB + (4 + 8 + 4) * P


# --- activations, as autograd keeps them -------------------------------------------------------------------------


def llama() -> LlamaForCausalLM:
    return LlamaForCausalLM(LlamaConfig(**{k: v for k, v in LLAMA.items() if k != "model_type"}))


def kept_for_backward(overrides: list[str], place: Place) -> tuple[int, int]:
    """Bytes of activations, and of copies of weights."""
    config = load_config(None, [*overrides, "learner.logprob_chunk=50"])
    torch.manual_seed(0)
    model = llama()
    if config.learner.lora is not None or place.sharded:
        model = cast(model, DTYPES[config.policy.dtype])
    if config.learner.lora is not None:
        add_adapters(model, config.learner.lora, seed=0)
    scorer = build_workshop(config).scorer(model)
    samples = [PromptAndResponse(token_ids=tuple(range(64)), prompt_length=24) for _ in range(2)]
    batch = collate(samples)
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    matrices = {tuple(each.shape) for p in model.parameters() if p.ndim == 2 for each in (p, p.T)}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in own:
            kept[address] = tensor  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logprobs, _ = scorer(batch)
    assert logprobs.requires_grad
    copies = {address for address, tensor in kept.items() if tuple(tensor.shape) in matrices}
    size = {address: tensor.untyped_storage().nbytes() for address, tensor in kept.items()}
    return sum(size[a] for a in kept.keys() - copies), sum(size[a] for a in copies)


@pytest.mark.parametrize(
    ("overrides", "place"),
    [([], ALONE), ([BFLOAT16], ALONE), ([BFLOAT16], FSDP2), ([BFLOAT16, LORA], ALONE)],
    ids=["float32", "bfloat16", "weights in bfloat16", "LoRA"],
)
def test_activations_are_what_autograd_keeps(overrides: list[str], place: Place):
    """Within a quarter above, never below: what is kept for the backward pass, weights not counted."""
    measured, _ = kept_for_backward(overrides, place)
    predicted = sizes(*overrides, place=place)["activations"]
    assert measured <= predicted <= 1.25 * measured, f"{predicted / measured:.3f}"


def test_a_pass_copies_the_matrices_of_all_layers_into_bfloat16():
    """And the output layer's, which the last chunk of positions keeps."""
    _, copies = kept_for_backward([BFLOAT16], ALONE)
    assert copies == 2 * 3 * (LAYER - 128) + 2 * EMBEDDING
    assert copies <= sizes(BFLOAT16)["weights in bfloat16"]


def test_recomputed_activations_are_what_goes_into_each_layer_and_one_layer():
    """The one layer is not there yet when the forward pass ends."""
    measured, _ = kept_for_backward(["learner.gradient_checkpointing=true"], ALONE)
    layer = 2 * 64 * (24 * 64 + 4 * (5 * 64 + 4 * 160))
    predicted = sizes("learner.gradient_checkpointing=true")["activations"]
    assert predicted == 2 * 64 * (3 * 4 * 64 + 16 * 64) + layer
    assert measured <= predicted - layer <= 1.25 * measured


# --- the dry run -------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models and data that a config has in `build` are then taken for the Hub's, whatever was built here."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)


def dry_run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["train", *words, "--dry-run"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("credit", ["vine", "coupled", "ppo", "grpo", "rloo"])
@pytest.mark.parametrize(
    "path", sorted(set((ROOT / "configs").glob("*.yaml")) - set((ROOT / "configs").glob("sft_*"))), ids=lambda p: p.stem
)
def test_every_training_config_has_a_forecast_in_its_dry_run(path: Path, credit: str, capsys):
    if (policy := load_config(path).policy.path).startswith("build/"):  # to be made first
        assert main(["train", str(path), f"credit={credit}", "--dry-run"]) in (0, 2)
        assert f"no forecast for policy.path {policy}" in capsys.readouterr().out
        return
    printed = dry_run(capsys, str(path), f"credit={credit}")
    assert "decoded tokens" in printed
    assert "memory of one process" in printed
    assert "no forecast" not in printed
    assert ("value network" in printed) == (credit == "ppo")


@pytest.mark.parametrize("recipe", ["rest_em", "dpo_positive"])
@pytest.mark.parametrize("name", ["gsm8k", "math"])
def test_so_have_the_other_recipes_of_the_paper(name: str, recipe: str, capsys):
    printed = dry_run(capsys, str(ROOT / f"configs/{name}.yaml"), f"recipe={recipe}")
    assert "memory of one process" in printed
    assert ("copies" in printed) == (recipe == "rest_em")


@pytest.mark.parametrize(
    ("name", "overrides", "place", "gib"),
    [
        ("deepseekmath_gsm8k", ["policy.dtype=bfloat16"], Place(processes=8, sharded=True), 80),
        ("deepseekmath_math", ["policy.dtype=bfloat16", "credit=ppo"], Place(processes=8, sharded=True), 80),
        ("deepseekmath_math", [], Place(processes=8, sharded=True), 80),
        ("gsm8k", ["credit=ppo"], Place(), 80),
        ("math", [], Place(), 80),
        ("qwen_gsm8k", [], Place(), 80),
        ("qwen_gsm8k", ["credit=ppo"], Place(), 80),
        ("qwen_gsm8k", ["credit=ppo", "engine=torch"], Place(), 80),
        ("qwen_gsm8k", ["policy.path=Qwen/Qwen2.5-0.5B-Instruct", "credit=ppo"], Place(), 40),
    ],
)
def test_what_is_meant_for_a_gpu_is_forecast_to_fit_it(name: str, overrides: list[str], place: Place, gib: int):
    config = load_config(ROOT / f"configs/{name}.yaml", overrides)
    shape = find_shape(config.policy.path)
    assert isinstance(shape, ModelShape)
    forecast = forecast_memory(config, shape, replace(place, gpu_bytes=gib * GIB), prompt=config.task.longest_prompt)
    assert forecast.peak < gib * GIB


def test_the_launch_is_known_and_one_process_speaks(capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert "memory of one of 8 processes (DDP)" in dry_run(capsys)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    assert "memory of one of 8 processes (FSDP2)" in dry_run(capsys)
    monkeypatch.setenv("RANK", "1")
    assert dry_run(capsys) == ""


def test_an_adviser_that_cannot_be_looked_up_is_named(capsys):
    printed = dry_run(capsys, "policy.path=bundled:arithmetic", "credit=capo", "credit.adviser.policy.path=no/critic")
    assert "Not in it: the adviser. no/critic is no folder" in printed


def test_a_dry_run_without_a_forecast_says_why(capsys):
    assert main(["train", "policy.path=nobody/nothing", "--dry-run"]) == 0
    assert "Memory: no forecast for policy.path nobody/nothing: " in capsys.readouterr().out
