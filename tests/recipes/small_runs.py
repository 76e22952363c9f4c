"""Small models, folders and runs that tests share."""

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
"""Real data lies beside the checkout where it is at hand; tests that need it say so when it is not."""

SETTINGS = [
    "sampling={temperature: 1.0, top_p: 1.0, max_new_tokens: 80}",
    "training={iterations: 4, questions: 4, trajectories: 4}",
    "learner={learning_rate: 1.0e-3, minibatch: 8, micro_batch: 8}",
    "evaluation={every: 2}",
]
"""Overrides for a run that takes seconds."""

SHORT = "task={name: arithmetic, operations: 3, train_questions: 60, test_questions: 8}"
QUICK = [
    *SETTINGS,
    SHORT,
    "policy.path=bundled:arithmetic_mixed",
    "sampling.max_new_tokens=32",
]
"""The same in half a second an iteration: chains of three operations, of which that policy solves the half."""


def metrics_of(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def without_time(metrics: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in line.items() if not name.startswith("time/")} for line in metrics]


def write_random_model(folder: Path, texts: list[str], *, context: int = 512) -> Path:
    """A byte-level BPE tokenizer trained on the texts and a random Llama, as an ordinary Hugging Face folder."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<pad>")
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        eos_token_id=fast.convert_tokens_to_ids("<end>"),
        pad_token_id=fast.convert_tokens_to_ids("<pad>"),
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder
