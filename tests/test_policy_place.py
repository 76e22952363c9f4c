"""Places that hold no policy: each message says what to do, and comes before torch and without asking the Hub twice."""

import json
from pathlib import Path

import pytest
from huggingface_hub import constants

from vineppo import hub
from vineppo.errors import UserError
from vineppo.policy_place import check_policy, remedy_of_model
from vineppo.tasks.rows import read_rows


def refusal(path: str | Path) -> str:
    with pytest.raises(UserError) as error:
        check_policy(str(path))
    return str(error.value)


def write(folder: Path, *names: str) -> Path:
    """A folder with these files, which hold nothing."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


MODEL = ("config.json", "model.safetensors", "tokenizer.json")


def test_a_whole_folder_and_a_bundled_policy_are_taken(tmp_path: Path):
    check_policy(str(write(tmp_path, *MODEL)))
    check_policy("bundled:arithmetic")
    assert "only bundled:arithmetic, " in refusal("bundled:arithmetik")


def test_what_a_folder_lacks_is_named(tmp_path: Path):
    assert "which has no weights (model.safetensors); fetch them" in refusal(write(tmp_path / "a", "config.json"))
    without = write(tmp_path / "b", *MODEL[:2])
    assert "which has no tokenizer; copy tokenizer.json and tokenizer_config.json" in refusal(without)
    assert f"did you mean {tmp_path / 'c' / 'inner'}?" in refusal(write(tmp_path / "c", "inner/config.json"))


def test_a_run_is_told_from_its_policy(tmp_path: Path):
    write(tmp_path / "run" / "policy", *MODEL)
    found = refusal(tmp_path / "run")
    assert f"its policy is {tmp_path / 'run' / 'policy'}: give that, or --policy {tmp_path / 'run'}" in found


def test_a_gguf_file_and_its_folder_name_the_command_that_imports_it(tmp_path: Path):
    file = write(tmp_path, "model.Q4_1.gguf") / "model.Q4_1.gguf"
    command = f"vineppo import-gguf {file} --out {tmp_path / 'model.Q4_1'}"
    assert command in refusal(file)
    assert command in refusal(tmp_path)


def test_a_mistyped_path_names_what_stands_nearest(tmp_path: Path):
    write(tmp_path / "arithmetic" / "policy", *MODEL)
    for typed in ("arithmetc/policy", "arithmetic/polcy"):
        assert f"is not there (did you mean {tmp_path / 'arithmetic' / 'policy'}?)" in refusal(tmp_path / typed)
    assert "did you mean" not in refusal(tmp_path / "zzz" / "policy")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were asked."""
    asked: list[str] = []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "silence", lambda endpoint: asked.append(endpoint) or "no network")
    return asked


def test_a_file_is_no_name_of_the_hub(no_network: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    assert "policy.path is 'build/model.gguf', which is not there; name a folder" in refusal("build/model.gguf")
    with pytest.raises(UserError, match=r"'rows\.jsonl' is neither a folder nor a Hub dataset name"):
        read_rows("rows.jsonl", "train", subset=None)
    assert no_network == []


def test_the_hub_is_asked_once(no_network: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "owner" / "nome")
    found = refusal("owner/name-that-nobody-has")
    assert "was never fetched, and the Hub does not answer (no network): give a folder, or fetch it where" in found
    assert no_network == [constants.ENDPOINT]
    assert constants.HF_HUB_OFFLINE is False


def test_a_dataset_of_the_hub_is_no_half_minute_of_retries(no_network: list[str]):
    with pytest.raises(UserError, match=r"never fetched, and the Hub does not answer \(no network\); give a folder"):
        read_rows("owner/name-that-nobody-has", "train", subset=None)
    assert len(no_network) == 1
    assert constants.HF_HUB_OFFLINE is False


def test_the_kind_of_a_model_is_read_where_transformers_cannot_take_it(tmp_path: Path):
    for config, words in (
        ({"model_type": "qwen2_vl", "vision_config": {}}, "it reads images or sounds (model_type 'qwen2_vl')"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "it has an encoder and a decoder (model_type 't5')"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert remedy_of_model(str(tmp_path)).startswith(words)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    assert remedy_of_model(str(tmp_path)).startswith("it has no tokenizer.json; copy tokenizer.json")
