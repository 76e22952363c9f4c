"""How much memory sampling may take, and what that comes to in tokens."""

from dataclasses import dataclass
from math import ceil

import psutil
import torch
from transformers import PreTrainedModel

from vineppo.engines.torch.law import CHUNK
from vineppo.engines.torch.ledger import LAW_BYTES, PASS_SHARE, Prices
from vineppo.engines.torch.passing import activation_bytes
from vineppo.engines.torch.prefill import PREFILL_TOKENS, prefill
from vineppo.engines.torch.recordings import MOST, RECORDING_BYTES
from vineppo.settings.memory import FREE_SHARE

FREE_SHARE_CPU = 0.25
"""Of the machine's available memory, which is not ours alone."""


ROOM = 16
"""Columns that branches get at a time. More would leave gaps between them, which slow the reading of branches on a CPU
fourfold (it no longer streams); fewer would copy all branches more often."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """A budget of bytes, in tokens of keys and values."""

    memory_bytes: int
    tokens: int
    prices: Prices
    law: int
    """Numbers of the law made at once."""
    together: int
    """Tokens of a prefill pass."""
    recordings: int
    """Decoder that may be kept recorded."""


def measure(model: PreTrainedModel, memory_bytes: int, *, recorded: bool = False) -> Measures:
    """What the ledger counts with, for this model. recorded: whether its passes are."""
    token = token_bytes(model)
    vocabulary = model.config.get_text_config().vocab_size
    activations = activation_bytes(model)
    passing = token + activations
    part = memory_bytes // PASS_SHARE
    recordings = min(MOST, max(2, part // RECORDING_BYTES))
    tokens = (memory_bytes - (min(part, recordings * RECORDING_BYTES) if recorded else 0)) // token
    law = min(CHUNK, max(vocabulary, part // LAW_BYTES))
    together = min(PREFILL_TOKENS, max(1, part // passing))
    logits = vocabulary * (model.dtype.itemsize + torch.float32.itemsize)
    scores = model.config.get_text_config().num_attention_heads * torch.float32.itemsize
    prices = Prices(
        branches=2,
        prefilled=1,
        row=1 + ceil((logits + activations) / token),
        step=ceil(max(law * LAW_BYTES, together * passing) / token),
        passing=passing / token,
        score=scores / token,
        room=ROOM,
        rounded=recorded,
    )
    return Measures(
        memory_bytes=memory_bytes, tokens=tokens, prices=prices, law=law, together=together, recordings=recordings
    )


def default_memory(device: torch.device, *, spoken_for: int = 0) -> int:
    """Bytes for sampling, from what is free now. spoken_for: of that, what the learner will take."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(FREE_SHARE * max(0, free - spoken_for))
    return int(FREE_SHARE_CPU * max(0, psutil.virtual_memory().available - spoken_for))


def token_bytes(model: PreTrainedModel) -> int:
    """Keys and values of one token in all layers: of a real one, so that it holds for every architecture."""
    ((piece, _),) = prefill(model, [(0,)])[0]
    return piece.planes.nbytes
