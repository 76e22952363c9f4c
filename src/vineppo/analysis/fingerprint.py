"""A policy's weights as a short name: the same weights, the same truth."""

import hashlib
import json

import torch
from transformers import PreTrainedModel

NOT_WEIGHTS = ("_name_or_path", "transformers_version", "dtype", "torch_dtype")
"""Entries of a model's configuration that say where it came from, not what it computes."""


def policy_digest(model: PreTrainedModel) -> str:
    """Of all weights and of the architecture's settings."""
    digest = hashlib.blake2b(digest_size=16)
    settings = {key: value for key, value in model.config.to_dict().items() if key not in NOT_WEIGHTS}
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
