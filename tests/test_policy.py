"""Policies: the bundled one, folders that come back as they were saved, and requests that cannot work."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vineppo.errors import UserError
from vineppo.policy import Policy, load_policy, new_policy, pick_device, try_saving
from vineppo.settings.model_shape import resolve_bundled
from vineppo.settings.sections import Architecture
from vineppo.tasks.arithmetic import Arithmetic
from vineppo.tasks.arithmetic_tokenizer import build_tokenizer
from vineppo.tasks.word_problems import tokenizer as word_tokenizer
from vineppo.tasks.word_problems.task import WordProblems

TINY = Architecture(hidden_size=16, layers=1, heads=2, intermediate_size=24, context=40)
BUNDLED = load_policy("bundled:arithmetic", device="cpu")


def tiny(seed: int = 0) -> Policy:
    return new_policy(TINY, build_tokenizer(50), seed=seed, device="cpu")


def same_weights(one: Policy, other: Policy) -> bool:
    a, b = one.model.state_dict(), other.model.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# --- bundled -----------------------------------------------------------------------------------------------------


def test_the_bundled_policy_is_small():
    files = [path for path in Path(resolve_bundled("bundled:arithmetic")).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 5_000_000
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in files}


def test_the_bundled_policy_is_ready_to_score_and_to_be_trained():
    assert not BUNDLED.model.training
    assert all(p.dtype == torch.float32 and p.requires_grad for p in BUNDLED.model.parameters())
    assert BUNDLED.context == 512


def test_the_bundled_policy_knows_its_tasks_alphabet():
    unknown = BUNDLED.tokenizer.unk_token_id
    for question in Arithmetic(train_questions=200, test_questions=50).questions("train"):
        ids = BUNDLED.encode(question.prompt)
        assert unknown not in ids
        assert BUNDLED.decode(ids) == question.prompt


@given(st.lists(st.sampled_from(["+", "-", "*", "=", "?", "\n", "####", "7", "49", "50", "0"]), max_size=30))
def test_texts_over_its_alphabet_come_back_exactly(words: list[str]):
    assert BUNDLED.decode(BUNDLED.encode("".join(words))) == "".join(words)


def test_the_bundled_policy_ends_with_its_end_token_and_decoding_leaves_it_out():
    assert BUNDLED.tokenizer.convert_ids_to_tokens(list(BUNDLED.end_ids)) == ["<end>"]
    assert BUNDLED.decode((*BUNDLED.encode("1+2"), *BUNDLED.end_ids)) == "1+2"


# --- end tokens --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("configured", "ends"), [(7, (7, 1)), ([5, 9], (5, 9, 1))])
def test_the_generation_config_and_the_tokenizer_say_what_ends_a_response(
    configured: int | list[int], ends: tuple[int, ...]
):
    policy = tiny()
    assert policy.model.generation_config is not None
    policy.model.generation_config.eos_token_id = configured
    assert policy.end_ids == ends


@pytest.mark.parametrize("without", ["token", "config"])
def test_otherwise_the_tokenizer_says_it(without: str):
    policy = tiny()
    if without == "config":
        policy.model.generation_config = None
    else:
        assert policy.model.generation_config is not None
        policy.model.generation_config.eos_token_id = None
    assert policy.end_ids == (1,)  # <pad> is 0, <end> is 1


def test_where_neither_says_it_nothing_ends_a_response():
    policy = tiny()
    policy.model.generation_config = None
    policy.tokenizer.eos_token = None
    assert policy.end_ids == ()


# --- folders -----------------------------------------------------------------------------------------------------


def test_a_saved_policy_loads_back_equal(tmp_path: Path):
    policy = tiny()
    policy.save(tmp_path / "policy")
    back = load_policy(str(tmp_path / "policy"), device="cpu")
    assert same_weights(policy, back)
    assert back.end_ids == policy.end_ids
    assert back.context == policy.context == 40
    text = "12*7+5=?\n####39"
    assert back.encode(text) == policy.encode(text)
    assert back.decode(back.encode(text)) == text


def test_a_policy_that_shares_input_and_output_embeddings_still_does_when_loaded(tmp_path: Path):
    tiny().save(tmp_path)
    model = load_policy(str(tmp_path), device="cpu").model
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight


def test_a_policy_saved_in_half_precision_is_trained_in_full(tmp_path: Path):
    policy = tiny()
    policy.model.to(torch.bfloat16)  # pyright: ignore[reportArgumentType]
    policy.save(tmp_path)
    assert {p.dtype for p in load_policy(str(tmp_path), device="cpu").model.parameters()} == {torch.float32}


def test_a_seed_decides_the_weights_of_a_new_policy():
    assert same_weights(tiny(3), tiny(3))
    assert not same_weights(tiny(3), tiny(4))


# --- what cannot work --------------------------------------------------------------------------------------------


def test_auto_is_a_device_that_is_there():
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("device", ["gpu", "cuda:99", ""])
def test_a_device_that_is_not_there_is_refused(device: str):
    with pytest.raises(UserError) as caught:
        pick_device(device)
    assert f"policy.device is {device!r}" in str(caught.value)
    assert "auto" in str(caught.value)


def test_an_unknown_bundled_policy_is_refused_with_the_name_of_the_known_one():
    with pytest.raises(
        UserError, match=r"'bundled:poetry'.*bundled:arithmetic_mixed, bundled:registers, bundled:word_problems"
    ):
        load_policy("bundled:poetry")


def test_both_bundled_policies_speak_the_same_tokens():
    one, other = (load_policy(f"bundled:{name}", device="cpu") for name in ("arithmetic", "arithmetic_mixed"))
    assert one.tokenizer.get_vocab() == other.tokenizer.get_vocab()
    assert one.model.config.num_hidden_layers == other.model.config.num_hidden_layers


def test_the_bundled_policy_for_word_problems_knows_every_story():
    policy = load_policy("bundled:word_problems", device="cpu")
    assert sum(parameter.numel() for parameter in policy.model.parameters()) < 700_000
    assert policy.tokenizer.get_vocab() == word_tokenizer.build_tokenizer().get_vocab()
    for question in WordProblems(train_questions=200, test_questions=50).questions("train"):
        ids = policy.encode(str(question.prompt))
        assert policy.tokenizer.unk_token_id not in ids
        assert policy.decode(ids) == question.prompt


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nothing", "is not there; name a folder or a Hub name"),
        ("an empty folder", "without config.json; name a model's folder"),
        ("no weights", "no weights (model.safetensors); fetch them"),
        ("no tokenizer", "copy tokenizer.json and tokenizer_config.json from the model"),
        ("broken config", "config.json is no JSON"),
    ],
)
def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, content: str, message: str):
    folder = tmp_path / "model"
    if content != "nothing":
        folder.mkdir()
    if content not in ("nothing", "an empty folder"):
        tiny().save(folder)
        removed = {"no weights": "model.safetensors", "no tokenizer": "tokenizer.json"}.get(content)
        if removed:
            (folder / removed).unlink()
        else:
            (folder / "config.json").write_text("{")
    with pytest.raises(UserError) as caught:
        load_policy(str(folder), device="cpu")
    assert str(folder) in str(caught.value)
    assert message in str(caught.value)


def test_a_policy_that_cannot_be_saved_is_found_at_the_start(tmp_path: Path):
    policy = tiny()
    try_saving(policy)
    assert policy.model.generation_config is not None
    policy.model.generation_config.temperature = 0.6  # without do_sample
    with pytest.raises(UserError, match=r"cannot be saved again .*set do_sample to true"):
        try_saving(policy)


def test_another_precision_is_that_of_weights_alone_as_where_a_model_is_loaded_in_it(tmp_path: Path):
    """Rotary frequencies stay exact. Rounded to bfloat16 they would turn position 400 by 0.27 radians too far."""
    policy = load_policy("bundled:arithmetic", device="cpu")
    policy.save(tmp_path)
    loaded = load_policy(str(tmp_path), device="cpu", dtype=torch.bfloat16).model
    copied = policy.copy(torch.bfloat16, "cpu").model
    token_ids = (torch.arange(400) * 7 % 50)[None]
    with torch.no_grad():
        assert torch.equal(copied(token_ids).logits, loaded(token_ids).logits)
    assert {parameter.dtype for parameter in copied.parameters()} == {torch.bfloat16}
    assert {buffer.dtype for buffer in copied.buffers()} == {torch.float32}
    assert policy.model.dtype == torch.float32
