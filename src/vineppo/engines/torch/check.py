"""Whether an architecture can be branched as `attention` assumes: asked of the model itself, before expensive work."""

import numpy as np
import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from vineppo.engines.torch.attention import branching_in
from vineppo.engines.torch.branches import BranchCache
from vineppo.engines.torch.forest import Forest
from vineppo.engines.torch.trunks import Trunk, prefill_missing
from vineppo.errors import UserError

TOLERANCE, LOW_PRECISION_TOLERANCE = 1e-3, 5e-2
"""Of the largest logit. The difference is that of rounding: near 1e-6 in float32, 1e-2 in bfloat16."""


def check_branching(model: PreTrainedModel) -> None:
    """Raise UserError where the model keeps more than keys and values, or where branches give other logits."""
    layers = DynamicCache(config=model.config).layers
    strange = {type(layer).__name__ for layer in layers if not isinstance(layer, DynamicLayer)}
    if strange:
        raise UserError(
            f"policy: {type(model).__name__} keeps {', '.join(sorted(strange))} instead of keys and values, which the "
            "embedded engine cannot branch from; take a decoder-only attention model (Llama, Qwen, Mistral, Gemma ...)"
        )
    difference = branching_difference(model)
    tolerance = TOLERANCE if model.dtype == torch.float32 else LOW_PRECISION_TOLERANCE
    if not difference <= tolerance:
        raise UserError(
            f"policy: in {type(model).__name__}, logits of a branch differ from those of a plain forward pass by "
            f"{difference:.1e} of the largest one, more than {tolerance:.0e}: it attends in a way that the embedded "
            "engine does not know; take a plain decoder-only model (Llama, Qwen, Mistral, Gemma ...)"
        )


@torch.inference_mode()
def branching_difference(model: PreTrainedModel) -> float:
    """Largest difference of the logits of two branches of one trunk from plain ones, relative to the largest logit."""
    sequence = tuple((7 * i + 1) % model.config.get_text_config().vocab_size for i in range(7))
    plain = model(torch.tensor([sequence], device=model.device), use_cache=False).logits[0].float()
    trunk = Trunk(sequence[:5])
    prefill_missing(model, [trunk])
    forest = Forest([trunk])
    starts = np.array([2, 4])
    layout = forest.layout([trunk, trunk], starts)
    cache = BranchCache.empty(forest.planes).relaid(np.zeros(0, np.int64), newcomers=2, room=2)
    worst = 0.0
    for fed in range(2):
        positions = starts + fed
        with branching_in(model):
            logits = model(
                input_ids=torch.tensor(sequence, device=model.device)[positions][:, None],
                position_ids=torch.from_numpy(positions).to(model.device)[:, None],
                past_key_values=cache,
                use_cache=True,
                branching=layout.branching(positions=positions, first=np.zeros_like(starts), column=fed),
            ).logits[:, -1]
        worst = max(worst, float((logits.float() - plain[positions]).abs().max()))
    return worst / float(plain.abs().max())
