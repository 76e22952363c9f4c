"""A GGUF file becomes a folder that holds its weights, tokenizer, chat template and ends of responses."""

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers.convert_slow_tokenizer import bytes_to_unicode

from vineppo.cli import main
from vineppo.errors import UserError
from vineppo.import_gguf import import_gguf, read_origin
from vineppo.policy import load_policy

HIDDEN, INNER, HEADS, KEY_HEADS, LAYERS = 64, 96, 4, 2, 2
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TOKENS = [*SPECIAL, *bytes_to_unicode().values(), "ab"]


def shapes() -> dict[str, tuple[int, ...]]:
    """Of a Llama with grouped heads and tied embeddings, by llama.cpp's names."""
    keys = HIDDEN // HEADS * KEY_HEADS
    found: dict[str, tuple[int, ...]] = {"token_embd.weight": (len(TOKENS), HIDDEN), "output_norm.weight": (HIDDEN,)}
    for layer in range(LAYERS):
        own = {
            "attn_norm": (HIDDEN,),
            "ffn_norm": (HIDDEN,),
            "attn_q": (HIDDEN, HIDDEN),
            "attn_k": (keys, HIDDEN),
            "attn_v": (keys, HIDDEN),
            "attn_output": (HIDDEN, HIDDEN),
            "ffn_gate": (INNER, HIDDEN),
            "ffn_up": (INNER, HIDDEN),
            "ffn_down": (HIDDEN, INNER),
        }
        found |= {f"blk.{layer}.{name}.weight": shape for name, shape in own.items()}
    return found


def write_gguf(file: Path, *, kind: gguf.GGMLQuantizationType, architecture: str = "llama") -> dict[str, np.ndarray]:
    """A small random Llama; returns its weights as whoever reads the file must see them."""
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_name("Tiny Llama")
    writer.add_license("apache-2.0")
    writer.add_context_length(32)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3 if token in SPECIAL else 1 for token in TOKENS])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)
    seen = {}
    for name, shape in shapes().items():
        weight = rng.normal(size=shape).astype(np.float32)
        own = kind if len(shape) == 2 else gguf.GGMLQuantizationType.F32
        stored = gguf.quants.quantize(weight, own)
        writer.add_tensor(name, stored, raw_dtype=own)
        seen[name] = gguf.quants.dequantize(stored, own)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return seen


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """The folder, and the weights that were in the file."""
    home = tmp_path_factory.mktemp("gguf")
    seen = write_gguf(home / "tiny.Q4_1.gguf", kind=gguf.GGMLQuantizationType.Q4_1)
    assert main(["import-gguf", str(home / "tiny.Q4_1.gguf"), "--out", str(home / "out")]) == 0
    return home / "out", seen


def test_the_folder_holds_the_weights_of_the_file_to_the_bit(made: tuple[Path, dict[str, np.ndarray]]):
    folder, seen = made
    state = load_policy(str(folder), device="cpu").model.state_dict()
    for name, ours in {
        "token_embd.weight": "model.embed_tokens.weight",
        "output_norm.weight": "model.norm.weight",
        "blk.1.ffn_down.weight": "model.layers.1.mlp.down_proj.weight",
        "blk.0.attn_v.weight": "model.layers.0.self_attn.v_proj.weight",
    }.items():
        assert torch.equal(state[ours], torch.tensor(seen[name]))
    assert torch.equal(state["lm_head.weight"], state["model.embed_tokens.weight"])


def test_llama_cpp_pairs_the_halves_of_a_head_otherwise(made: tuple[Path, dict[str, np.ndarray]]):
    """Its rotary embedding turns neighbours (2i, 2i + 1), transformers' turns (i, i + 8) of a head of 16."""
    folder, seen = made
    weight = load_policy(str(folder), device="cpu").model.state_dict()["model.layers.0.self_attn.q_proj.weight"]
    stored = torch.tensor(seen["blk.0.attn_q.weight"])
    assert torch.equal(weight[16 + 3], stored[16 + 6])
    assert torch.equal(weight[16 + 8 + 3], stored[16 + 7])


def test_tokenizer_chat_template_and_ends_come_along(made: tuple[Path, dict[str, np.ndarray]]):
    policy = load_policy(str(made[0]), device="cpu")
    ids = policy.tokenizer("abba", add_special_tokens=False).input_ids
    assert policy.tokenizer.convert_ids_to_tokens(ids) == ["ab", "b", "a"]
    assert policy.tokenizer.chat_template == TEMPLATE
    assert (policy.end_ids, policy.context) == ((2,), 32)


def test_the_folder_says_where_it_is_from_and_what_was_lost(made: tuple[Path, dict[str, np.ndarray]]):
    text = (made[0] / "README.md").read_text()
    assert "tiny.Q4_1.gguf" in text
    assert "Licence: apache-2.0." in text
    assert "in Q4_1 (5 bits each)" in text  # 32 weights of 4 bits, a scale and an offset of 16: 160 bits
    assert "rounded to few bits" in text


def test_a_file_of_whole_weights_lost_nothing(tmp_path: Path):
    write_gguf(tmp_path / "tiny.gguf", kind=gguf.GGMLQuantizationType.F32)
    origin = read_origin(tmp_path / "tiny.gguf")
    assert [(kind, bits) for kind, bits, _ in origin.kinds] == [("F32", 32.0)]
    assert not origin.rounded


# --- refusals ----------------------------------------------------------------------------------------------------


def test_what_is_no_gguf_file_is_refused_before_it_is_read(tmp_path: Path):
    (tmp_path / "model.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(UserError, match="is no GGUF file"):
        import_gguf(tmp_path / "model.safetensors", tmp_path / "out")
    with pytest.raises(UserError, match=r"cannot be read.*No such file"):
        import_gguf(tmp_path / "nothing.gguf", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path):
    write_gguf(tmp_path / "tiny.gguf", kind=gguf.GGMLQuantizationType.F32)
    (tmp_path / "tiny.gguf").write_bytes((tmp_path / "tiny.gguf").read_bytes()[:20_000])
    with pytest.raises(UserError, match="damaged or cut off"):
        import_gguf(tmp_path / "tiny.gguf", tmp_path / "out")


def test_an_architecture_that_transformers_does_not_read_is_refused(tmp_path: Path):
    write_gguf(tmp_path / "tiny.gguf", kind=gguf.GGMLQuantizationType.F32, architecture="rwkv7")
    with pytest.raises(UserError, match="transformers cannot make of a GGUF file"):
        import_gguf(tmp_path / "tiny.gguf", tmp_path / "out")


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty; give another --out"):
        import_gguf(tmp_path / "tiny.gguf", tmp_path)
