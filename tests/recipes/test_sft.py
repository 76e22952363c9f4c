"""Supervised finetuning: it learns, the same seed learns the same, and what cannot work is refused before it starts."""

import json
from math import log
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers.processors import TemplateProcessing

from vineppo.config.load import load_config
from vineppo.config.schema import SftConfig
from vineppo.errors import UserError
from vineppo.learner.likelihood import accumulate_likelihood
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.passes import Passes
from vineppo.policy import Policy, load_policy, new_policy
from vineppo.recipes.demonstrated import tokenize
from vineppo.recipes.sft import finetune, starting_policy
from vineppo.settings.sections import Architecture
from vineppo.tasks.arithmetic_tokenizer import build_tokenizer
from vineppo.tasks.demonstrations import endless_demonstrations
from vineppo.types import PromptAndResponse

ROOT = Path(__file__).resolve().parents[2]
SMALL = [
    "task={name: arithmetic, operations: 2, habits: 0, train_questions: 50, test_questions: 20}",
    "architecture={hidden_size: 16, layers: 1, heads: 2, intermediate_size: 32, context: 40}",
    "learning_rate=1e-2",
    "updates=30",
    "batch=16",
    "device=cpu",
]


def config(output: Path, *overrides: str) -> SftConfig:
    return load_config(None, [*SMALL, f"output={output}", *overrides], SftConfig)


def scorer_of(policy: Policy) -> TokenLogprobs:
    return TokenLogprobs(policy.model, temperature=1.0, chunk=64)


def tiny(context: int = 40) -> Policy:
    shape = Architecture(hidden_size=16, layers=1, heads=2, intermediate_size=32, context=context)
    return new_policy(shape, build_tokenizer(50), seed=0, device="cpu")


def demonstrations(policy: Policy, asked: SftConfig, count: int) -> list[PromptAndResponse]:
    drawn = endless_demonstrations(asked.task, seed=99)
    return [tokenize(policy, next(drawn)) for _ in range(count)]


def accumulate(scorer: TokenLogprobs, batch: list[PromptAndResponse], *, micro_batch: int) -> float:
    return accumulate_likelihood(scorer, batch, range(len(batch)), passes=Passes(rows=micro_batch))["loss/likelihood"]


def loss_of(policy: Policy, asked: SftConfig) -> float:
    return accumulate(scorer_of(policy), demonstrations(policy, asked, 32), micro_batch=32)


# --- learning ----------------------------------------------------------------------------------------------------


def test_a_few_updates_lower_the_loss_on_other_demonstrations(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    asked = config(tmp_path / "sft")
    before = loss_of(starting_policy(asked), asked)
    assert finetune(asked) == 0
    assert loss_of(load_policy(str(tmp_path / "sft"), device="cpu"), asked) < before - 1
    assert f"policy written to {tmp_path / 'sft'}" in capsys.readouterr().out


def test_the_same_seed_makes_the_same_weights_to_the_bit_and_another_seed_others(tmp_path: Path):
    settings = {"a": "seed=1", "b": "seed=1", "c": "seed=2"}
    for name, seed in settings.items():
        finetune(config(tmp_path / name, seed, "updates=3"))
    a, b, c = (load_file(tmp_path / name / "model.safetensors") for name in settings)
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not any(torch.equal(a[key], c[key]) for key in a if a[key].ndim == 2)


def test_the_seed_draws_the_random_weights(tmp_path: Path):
    one, same, other = (starting_policy(config(tmp_path, f"seed={seed}")).model.state_dict() for seed in (1, 1, 2))
    name = "model.embed_tokens.weight"
    assert torch.equal(one[name], same[name])
    assert not torch.equal(one[name], other[name])


def test_training_goes_on_from_a_given_policy(tmp_path: Path):
    finetune(config(tmp_path / "first"))
    asked = config(tmp_path / "second", f"policy={{path: '{tmp_path / 'first'}', device: cpu}}", "updates=1")
    finetune(asked)
    first, second = (load_policy(str(tmp_path / name), device="cpu") for name in ("first", "second"))
    assert loss_of(second, asked) == pytest.approx(loss_of(first, asked), rel=0.2)
    assert not torch.equal(first.model.get_input_embeddings().weight, second.model.get_input_embeddings().weight)


def test_a_policy_that_knows_nothing_loses_the_logarithm_of_its_vocabulary_per_token():
    policy = tiny()
    with torch.no_grad():
        policy.model.get_output_embeddings().weight.zero_()
    batch = [tokenize(policy, ("1+2=?\n", "1+2=3\n####3")), tokenize(policy, ("7*7=?\n", "####49"))]
    assert accumulate(scorer_of(policy), batch, micro_batch=1) == pytest.approx(log(60))  # 50 numbers, 7 signs, 3 more


@pytest.mark.parametrize("micro_batch", [1, 3, 100])
def test_the_micro_batch_changes_neither_loss_nor_gradient(tmp_path: Path, micro_batch: int):
    policies = tiny(), tiny()
    batch = demonstrations(policies[0], config(tmp_path), 8)
    losses = [
        accumulate(scorer_of(policy), batch, micro_batch=size)
        for policy, size in zip(policies, (8, micro_batch), strict=True)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for one, other in zip(*(policy.model.parameters() for policy in policies), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["sft_arithmetic_facts", "sft_arithmetic_habits"])
def test_the_shipped_configs_run(tmp_path: Path, name: str):
    overrides = [f"output={tmp_path / 'out'}", "updates=1", "batch=2"]
    if name.endswith("habits"):
        overrides.append("policy={path: 'bundled:arithmetic', device: cpu}")
    assert finetune(load_config(ROOT / "configs" / f"{name}.yaml", overrides, SftConfig)) == 0
    assert load_policy(str(tmp_path / "out"), device="cpu").context == 512


# --- tokens ------------------------------------------------------------------------------------------------------


def test_a_demonstration_is_its_prompt_its_response_and_the_end_token():
    policy = tiny()
    item = tokenize(policy, ("1+2=?\n", "####3"))
    assert policy.tokenizer.convert_ids_to_tokens(list(item.token_ids)) == [*"1+2=?\n", "####", "3", "<end>"]
    assert (item.prompt_length, item.response_length) == (6, 3)


def test_what_a_tokenizer_puts_in_front_of_a_text_stands_in_front_of_the_prompt_only():
    policy = tiny()
    policy.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<unk> $A", special_tokens=[("<unk>", policy.tokenizer.unk_token_id)]
    )
    item = tokenize(policy, ("1=?\n", "####1"))
    assert policy.tokenizer.convert_ids_to_tokens(list(item.token_ids)) == ["<unk>", *"1=?\n", "####", "1", "<end>"]
    assert item.prompt_length == 5


def test_a_response_longer_than_the_context_is_cut_at_it():
    item = tokenize(tiny(context=8), ("1+2=?\n", "1+2=3\n####3"))
    assert (len(item.token_ids), item.response_length) == (8, 2)


@pytest.mark.parametrize(("prompt", "tokens"), [("1+2+3=?\n", 8), ("1+2+3+4=?\n", 10)])
def test_a_prompt_that_leaves_no_room_for_a_response_is_refused(prompt: str, tokens: int):
    with pytest.raises(UserError, match=f"{tokens} tokens, .* context is 8"):
        tokenize(tiny(context=8), (prompt, "####6"))


# --- refusals ----------------------------------------------------------------------------------------------------


def test_an_output_that_is_not_empty_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty; give another output"):
        finetune(config(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("below", ["", "/deeper"])
def test_an_output_that_is_a_file_or_below_one_is_refused(tmp_path: Path, below: str):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="cannot be written"):
        finetune(config(Path(f"{tmp_path / 'file'}{below}")))
    assert (tmp_path / "file").read_text() == "mine"


def test_only_tasks_with_a_tokenizer_can_start_from_nothing(tmp_path: Path):
    for split in ("train", "test"):
        row = json.dumps({"question": "How many?", "answer": "Two.\n#### 2"})
        (tmp_path / f"{split}.jsonl").write_text(row + "\n")
    with pytest.raises(UserError, match=r"task is gsm8k.*policy\.path"):
        finetune(
            load_config(None, [f"task={{name: gsm8k, path: '{tmp_path}'}}", f"output={tmp_path / 'out'}"], SftConfig)
        )
    assert not (tmp_path / "out").exists()
