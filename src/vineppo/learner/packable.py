"""Whether a model computes packs exactly: asked of the model, before anything is trained.

Whatever remembers in another way than by keys and values of tokens (recurrent states, convolutions), or attends
otherwise than `tree_attention` knows, gives other hidden states; its samples go through it as rows of their own.
"""

import torch
from transformers import PreTrainedModel

from vineppo.attending.interface import thresholds
from vineppo.errors import UserError
from vineppo.learner.batch import collate, collate_trees, hidden_states
from vineppo.learner.logprobs import output_embedding
from vineppo.settings.operations import Costs
from vineppo.types import PromptAndResponse

TOLERANCE, LOW_PRECISION_TOLERANCE = 1e-3, 5e-2
"""Of the largest hidden state. The difference is that of rounding: near 1e-6 in float32, 1e-2 in bfloat16."""
SHORTEST = 7
"""Tokens of the samples that any model is tried with."""


def costs_of(model: PreTrainedModel, *, context: int) -> Costs | None:
    """Of the layers of a model that computes packs of samples below `context` exactly; None for any other."""
    if not packs_exactly(model, context=context):
        return None
    config = model.config.get_text_config()
    embeddings = {id(layer.weight) for layer in (model.get_input_embeddings(), output_embedding(model))}
    weights = sum(own.numel() for own in model.parameters() if own.ndim >= 2 and id(own) not in embeddings)
    size = config.to_dict().get("head_dim") or config.hidden_size // config.num_attention_heads
    layers, queries = config.num_hidden_layers, config.num_attention_heads * size
    return Costs(token=2 * weights, pair=4 * layers * queries, layers=layers)


def packs_exactly(model: PreTrainedModel, *, context: int) -> bool:
    """Whether a small pack has the hidden states of its samples, at any length below `context`."""
    tolerance = TOLERANCE if model.dtype == torch.float32 else LOW_PRECISION_TOLERANCE
    lengths = (SHORTEST, *(length + 1 for length in thresholds(model.config) if SHORTEST < length < context))
    try:
        return all(pack_difference(model, length) <= tolerance for length in lengths)
    except torch.OutOfMemoryError:
        raise
    except (UserError, RuntimeError, TypeError, ValueError, LookupError, AttributeError, NotImplementedError):
        return False


@torch.no_grad()
def pack_difference(model: PreTrainedModel, length: int = SHORTEST) -> float:
    """Largest difference of hidden states, relative to the largest one. Samples leave one another at several depths."""
    vocabulary = model.config.get_text_config().vocab_size
    first = [(7 * place + 1) % vocabulary for place in range(length)]
    other = [(5 * place + 2) % vocabulary for place in range(length)]
    others = [[*first[:at], *other[at:]] for at in (length - 2, 4, 0)]
    samples = [PromptAndResponse(token_ids=tuple(tokens), prompt_length=1) for tokens in (first, *others)]
    batch = collate_trees(samples, device=model.device)
    packed = hidden_states(model.base_model, batch)
    assert batch.places is not None, "a pack spreads its predictions"
    alone = hidden_states(model.base_model, collate(samples, device=model.device))
    return float((packed[batch.places] - alone).float().abs().max() / alone.float().abs().max())
