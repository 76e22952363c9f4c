"""Gradient checkpointing: a layer's activations are forgotten in the forward pass and made again in the backward one.

transformers does it in layers that are in training mode. Ours never are, so that dropout is off and sampler and learner
see one policy; a layer is put into that mode only for the length of a forward pass, and its parts are not.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from vineppo.errors import UserError


@contextmanager
def recomputed(backbone: nn.Module) -> Iterator[None]:
    """Forward passes within the block keep only what goes into each layer. Without gradients, nothing changes."""
    layers = _layers(backbone) if torch.is_grad_enabled() else []
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer in layers:
            layer.training = False


def enable_recompute(model: PreTrainedModel) -> None:
    """Make a model ready for `recomputed`. Raises UserError for one whose layers cannot, or would drop out."""
    if not model.supports_gradient_checkpointing or not _layers(model):
        raise UserError(
            f"learner.gradient_checkpointing is true, but {type(model).__name__} does not support it; set it to false"
        )
    model.gradient_checkpointing_enable({"use_reentrant": False, "context_fn": _AttendingAsBefore(model.config)})
    token_ids = torch.arange(1, 9, device=model.device)[None] % model.config.get_text_config().vocab_size
    with torch.no_grad():
        plain = model.base_model(input_ids=token_ids, use_cache=False).last_hidden_state
    with recomputed(model):
        again = model.base_model(input_ids=token_ids, use_cache=False).last_hidden_state.detach()
    if not torch.allclose(plain, again, rtol=1e-3, atol=1e-3):
        raise UserError(
            f"learner.gradient_checkpointing is true, but layers of {type(model).__name__} then drop activations out; "
            "set its dropout to 0 in config.json, or gradient_checkpointing to false"
        )


class _AttendingAsBefore:
    """A layer attends in the backward pass by what it attended by in the forward one. Copied with its model."""

    def __init__(self, config: PreTrainedConfig):
        self._config = config

    def __call__(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """Around a layer's two passes, for torch's checkpoint; called before the first."""
        return nullcontext(), self._attending_by(self._config._attn_implementation)

    @contextmanager
    def _attending_by(self, name: str | None) -> Iterator[None]:
        now, self._config._attn_implementation = self._config._attn_implementation, name
        try:
            yield
        finally:
            self._config._attn_implementation = now


def _layers(module: nn.Module) -> list[GradientCheckpointingLayer]:
    return [layer for layer in module.modules() if isinstance(layer, GradientCheckpointingLayer)]
