"""Digests of what a run learns from: a resumed run knows whether model and data are those it was started with."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from transformers import PreTrainedModel

from vineppo.config.own import own_choices
from vineppo.config.schema import Config
from vineppo.types import Question

NUMBERS = 1024
"""Of each tensor, evenly spread: another finetuning changes nearly all of them, and reading all would take minutes."""


def digest_inputs(
    model: PreTrainedModel, train: Sequence[Question], test: Sequence[Question], config: Config
) -> dict[str, str]:
    """By what it is of, in words for people."""
    return {
        "weights": weights_digest(model.state_dict()),
        "training questions": questions_digest(train),
        "test questions": questions_digest(test),
        **({"reward functions": files_digest(files)} if (files := config.task.code_files) else {}),
        **{f"code of {choice}": digest for choice, digest in own_choices(config).items()},
    }


def weights_digest(state: Mapping[str, torch.Tensor]) -> str:
    """Of names, shapes and some numbers of each tensor, as float32."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(state.items()):
        flat = tensor.detach().flatten()
        some = flat[:: max(1, len(flat) // NUMBERS)].float().cpu()
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(some.numpy().tobytes())
    return digest.hexdigest()


def questions_digest(questions: Sequence[Question]) -> str:
    """Of all that a question holds; of objects that are no data, their type."""
    digest = hashlib.blake2b(digest_size=16)
    for question in questions:
        text = json.dumps(asdict(question), sort_keys=True, default=lambda value: type(value).__name__)
        digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def files_digest(files: Sequence[str]) -> str:
    """Of all that they hold."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(Path(file).expanduser().read_bytes())
    return digest.hexdigest()
