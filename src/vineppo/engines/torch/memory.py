"""How much memory keys and values may take, and how much a token needs."""

import psutil
import torch
from transformers import PreTrainedModel

from vineppo.engines.torch.trunks import prefill

FREE_SHARE = 0.5
"""Of a GPU's free memory: the learner's activations want the rest."""
FREE_SHARE_CPU = 0.25
"""Of the machine's available memory, which is not ours alone."""


def default_memory(device: torch.device) -> int:
    """Bytes for keys and values, from what is free now."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(FREE_SHARE * free)
    return int(FREE_SHARE_CPU * psutil.virtual_memory().available)


def token_bytes(model: PreTrainedModel) -> int:
    """Keys and values of one token in all layers: of a real one, so that it holds for every architecture."""
    return prefill(model, [(0,)])[0].nbytes
