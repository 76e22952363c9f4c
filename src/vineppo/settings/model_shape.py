"""What a model's config.json says of its size. Torch-free; nothing is downloaded.

Parameters of a decoder with gated feed-forward layers (Llama, Mistral, Qwen 2 and 3), biases and norms included:

    embeddings   V d, and V d once more for the output unless the two are tied
    a layer      d q + 2 d k + q d   attention: q = heads * head size, k = key-value heads * head size
                 3 d i               feed-forward
                 2 d                 norms
    at the end   d                   norm
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from vineppo.settings.known_models import KNOWN_MODELS

BUNDLED = "bundled:"
FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
"""Values of `model_type` whose parameters the formula counts."""

Origin = Literal["its config.json", "its config.json in the Hub's cache", "the table of known models"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelShape:
    """The numbers that memory depends on."""

    origin: Origin
    width: int
    """d"""
    layers: int
    heads: int
    key_value_heads: int
    head_size: int
    feed_forward: int
    """i"""
    vocabulary: int
    """V"""
    context: int
    tied: bool
    """Whether the output embedding is the input embedding."""
    query_bias: bool
    query_norm: bool

    @property
    def queries(self) -> int:
        """q"""
        return self.heads * self.head_size

    @property
    def keys(self) -> int:
        """k"""
        return self.key_value_heads * self.head_size

    @property
    def embedding(self) -> int:
        """Parameters of one embedding."""
        return self.vocabulary * self.width

    @property
    def linear_layers(self) -> dict[str, tuple[int, int]]:
        """Of one layer, by name: numbers that go in and come out."""
        return {
            "q_proj": (self.width, self.queries),
            "k_proj": (self.width, self.keys),
            "v_proj": (self.width, self.keys),
            "o_proj": (self.queries, self.width),
            "gate_proj": (self.width, self.feed_forward),
            "up_proj": (self.width, self.feed_forward),
            "down_proj": (self.feed_forward, self.width),
        }

    @property
    def layer(self) -> int:
        """Parameters of one layer."""
        matrices = sum(entering * leaving for entering, leaving in self.linear_layers.values())
        bias = self.queries + 2 * self.keys if self.query_bias else 0
        norms = 2 * self.width + (2 * self.head_size if self.query_norm else 0)
        return matrices + bias + norms

    @property
    def backbone(self) -> int:
        """Parameters without the output embedding."""
        return self.embedding + self.layers * self.layer + self.width

    @property
    def parameters(self) -> int:
        """All of them; shared ones once."""
        return self.backbone + (0 if self.tied else self.embedding)

    def token_bytes(self, size: int) -> int:
        """Keys and values of one token, of `size` bytes a number."""
        return size * 2 * self.layers * self.keys


def find_shape(path: str) -> ModelShape | str:
    """The shape of what `policy.path` names, or why it cannot be told. Hub names: from the cache or the table."""
    folder = resolve_bundled(path)
    file, origin = Path(folder) / "config.json", "its config.json"
    if not file.is_file():
        file, origin = cached_config(path), "its config.json in the Hub's cache"
    if file is not None:
        return read_shape(json.loads(file.read_text(encoding="utf-8")), origin)
    if path in KNOWN_MODELS:
        return read_shape(KNOWN_MODELS[path], "the table of known models")
    return (
        f"{path} is no folder with a config.json, is not in the Hub's cache, and nothing is downloaded for a forecast; "
        "name a folder, or fetch it first"
    )


def resolve_bundled(path: str) -> str:
    """`bundled:NAME` to the folder inside the package; anything else as it is."""
    name = path.removeprefix(BUNDLED)
    return path if name == path else str(resources.files("vineppo") / "assets" / name)


def cached_config(name: str) -> Path | None:
    """Of a Hub model that was fetched before; None where it was not."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError:  # no Hub name
        return None
    return Path(found) if isinstance(found, str) else None


def read_shape(config: Mapping[str, object], origin: Origin) -> ModelShape | str:
    """From the contents of config.json, or why it cannot be told."""
    family = config.get("model_type")
    if family not in FAMILIES:
        return f"its model_type is {family!r}, and only that of {', '.join(FAMILIES)} is known"

    def number(key: str, default: int | None = None) -> int:
        value = config.get(key)
        value = default if value is None else value
        assert isinstance(value, int), f"config.json: {key} is {value!r}, but must be a whole number"
        return value

    width, heads = number("hidden_size"), number("num_attention_heads")
    return ModelShape(
        origin=origin,
        width=width,
        layers=number("num_hidden_layers"),
        heads=heads,
        key_value_heads=number("num_key_value_heads", heads),
        head_size=number("head_dim", width // heads),
        feed_forward=number("intermediate_size"),
        vocabulary=number("vocab_size"),
        context=number("max_position_embeddings"),
        tied=config.get("tie_word_embeddings") is True,
        query_bias=family == "qwen2" or config.get("attention_bias") is True,
        query_norm=family == "qwen3",
    )
