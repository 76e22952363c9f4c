"""Attention of our own, through transformers' attention interface, and where a model begins to attend otherwise."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from transformers import PreTrainedConfig, PreTrainedModel

from vineppo.errors import UserError

THRESHOLD = re.compile(r"window|chunk_size$|floor_scale$")
"""Settings of a length beyond which a model attends otherwise."""


@contextmanager
def attending_by(model: PreTrainedModel, name: str) -> Iterator[None]:
    """Let the model attend through what is registered under a name; afterwards as before.

    transformers builds no mask for an attention that registers none: all masking is its own.
    """
    before = str(model.config._attn_implementation)
    model.set_attn_implementation(name)
    if model.config._attn_implementation != name:
        raise UserError(
            f"policy: {type(model).__name__} does not attend through transformers' attention interface, so nothing "
            "that sequences share can be computed once in it; take a decoder-only model that does (Llama, Qwen, "
            "Mistral ...)"
        )
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def thresholds(config: PreTrainedConfig) -> list[int]:
    """Lengths past which the model attends otherwise, as its config has them, the shortest first."""
    return sorted({value for key, value in numbers(config.get_text_config().to_dict()) if THRESHOLD.search(key)})


def numbers(settings: Mapping[str, object]) -> Iterator[tuple[str, int]]:
    """The whole numbers among a config's settings, however deep."""
    for key, value in settings.items():
        match value:
            case dict():
                yield from numbers(value)
            case int() if not isinstance(value, bool):
                yield str(key), value
            case _:
                pass
