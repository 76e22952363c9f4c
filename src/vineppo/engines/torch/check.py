"""Whether the embedded engine can branch a model as `attention` assumes: asked of the model, before expensive work.

Every way in which it cannot ends here, as one error with a remedy.
"""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from vineppo.attending.interface import attending_by, numbers, thresholds
from vineppo.engines.torch.attention import NAME
from vineppo.engines.torch.branches import BranchCache
from vineppo.engines.torch.forest import Forest
from vineppo.engines.torch.prefill import prefill_missing
from vineppo.engines.torch.trie import Trie
from vineppo.engines.torch.trunks import Trunk
from vineppo.errors import UserError

TOLERANCE, LOW_PRECISION_TOLERANCE = 1e-3, 5e-2
"""Of the largest logit. The difference is that of rounding: near 1e-6 in float32, 1e-2 in bfloat16."""
SHORTEST = 5
"""Tokens of the trunk that any model is tried with."""
BY_LENGTH = ("longrope", "dynamic")
"""Rotations that depend on the length of the whole sequence, so that keys from before are not those of now."""
UNCHANGED = "original_max_position_embeddings"
"""Up to this length such a rotation is one and the same."""
REMEDY = "take a decoder-only attention model (Llama, Qwen, Mistral, Gemma ...), or try engine=vllm"


def check_branching(model: PreTrainedModel, context: int) -> None:
    """Raise UserError where the model keeps more than keys and values, or where branches give other logits, at any
    length below `context`."""
    name = type(model).__name__
    try:
        _check_cache(model)
        _check_rotation(model, context)
        for trunk in (SHORTEST, *(place + 1 for place in thresholds(model.config) if SHORTEST < place < context - 2)):
            difference, tolerance = difference_and_tolerance(model, trunk)
            if not difference <= tolerance:
                raise UserError(
                    f"policy: in {name}, logits of a branch differ from those of a plain forward pass by "
                    f"{difference:.1e} of the largest one after {trunk} tokens, more than {tolerance:.0e}: it attends "
                    f"in a way that the embedded engine does not know{_shorter(trunk)}; {REMEDY}"
                )
    except (UserError, torch.OutOfMemoryError):
        raise
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"policy: {name} cannot be branched by the embedded engine ({type(error).__name__}: {reason}); {REMEDY}"
        ) from error


def difference_and_tolerance(model: PreTrainedModel, trunk: int) -> tuple[float, float]:
    """Of branches after so many tokens. Rounding in low precision alone can exceed what is allowed there (0.1 was seen
    in 30 layers of bfloat16, where float32 has 6e-6); then it is taken out."""
    difference = branching_difference(model, trunk)
    if model.dtype == torch.float32:
        return difference, TOLERANCE
    if difference <= LOW_PRECISION_TOLERANCE:
        return difference, LOW_PRECISION_TOLERANCE
    with in_float32(model):
        return branching_difference(model, trunk), TOLERANCE


@contextmanager
def in_float32(model: PreTrainedModel) -> Iterator[None]:
    """The same weights without rounding in between, within the block; then they are what they were, to the bit."""
    kept = [(parameter, parameter.data) for parameter in model.parameters() if parameter.is_floating_point()]
    try:
        for parameter, data in kept:
            parameter.data = data.float()
        yield
    finally:
        for parameter, data in kept:
            parameter.data = data


def _shorter(trunk: int) -> str:
    return "" if trunk == SHORTEST else f" (shorter ones it does: engine.context={trunk - 1} keeps to them)"


def _check_cache(model: PreTrainedModel) -> None:
    layers = DynamicCache(config=model.config).layers
    strange = {type(layer).__name__ for layer in layers if not isinstance(layer, DynamicLayer)}
    if strange:
        raise UserError(
            f"policy: {type(model).__name__} keeps {', '.join(sorted(strange))} instead of keys and values, which the "
            f"embedded engine cannot branch from; {REMEDY}"
        )


def _check_rotation(model: PreTrainedModel, context: int) -> None:
    settings = model.config.get_text_config().to_dict()
    kinds = {value for key, value in _texts(settings) if key in ("rope_type", "type")}
    unchanged = min((value for key, value in numbers(settings) if key == UNCHANGED), default=context)
    if kinds & set(BY_LENGTH) and context > unchanged:
        raise UserError(
            f"policy: {type(model).__name__} rotates keys otherwise ({', '.join(sorted(kinds & set(BY_LENGTH)))}) once "
            f"a sequence is longer than {unchanged} tokens, so that sampler and learner would differ there; set "
            f"engine.context to at most {unchanged}, or take a model without it"
        )


def _texts(settings: Mapping[Any, object]) -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        match value:
            case dict():
                yield from _texts(value)
            case str():
                yield str(key), value
            case _:
                pass


@torch.inference_mode()
def branching_difference(model: PreTrainedModel, length: int = SHORTEST) -> float:
    """Largest difference of the logits of two branches of a trunk of so many tokens from plain ones, relative to the
    largest logit. One branch leaves it at its end, one before; its beginning is known from another trunk."""
    sequence = tuple((7 * i + 1) % model.config.get_text_config().vocab_size for i in range(length + 2))
    starts, fed = np.array([length - 3, length - 1]), 3
    plain = _last_logits(model, sequence, count=fed + 2)
    trunk, other = Trunk(sequence[:length]), Trunk((*sequence[: length - 2], *sequence[:2]), cuts=(length - 2,))
    trie = Trie(max_kept=0)
    for one in (other, trunk):
        prefill_missing(model, [one], trie)
    forest = Forest([trunk, other], least=1)
    layout = forest.layout([trunk, trunk], starts)
    cache = BranchCache.empty(forest.planes).relaid(np.zeros(0, np.int64), newcomers=2, room=fed)
    worst = 0.0
    for column in range(fed):
        positions = starts + column
        with attending_by(model, NAME):
            logits = model(
                input_ids=torch.tensor(sequence, device=model.device)[positions][:, None],
                position_ids=torch.from_numpy(positions).to(model.device)[:, None],
                past_key_values=cache,
                use_cache=True,
                branching=layout.branching(cache, positions=positions, first=np.zeros_like(starts)),
            ).logits[:, -1]
        worst = max(worst, float((logits.float() - plain[positions - (length + 2)]).abs().max()))
    return worst / float(plain.abs().max())


def _last_logits(model: PreTrainedModel, sequence: tuple[int, ...], *, count: int) -> torch.Tensor:
    """Of a plain forward pass. Logits of a long sequence would take more memory than all else."""
    keeping = {"logits_to_keep": count} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
    return model(torch.tensor([sequence], device=model.device), use_cache=False, **keeping).logits[0, -count:].float()
