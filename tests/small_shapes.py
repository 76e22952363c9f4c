"""Shapes of small models, for forecasts."""

from collections.abc import Mapping

from vineppo.settings.model_shape import ModelShape, read_shape

LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 160,
    "vocab_size": 100,
    "max_position_embeddings": 128,
    "tie_word_embeddings": False,
}


def shape_of(config: Mapping[str, object]) -> ModelShape:
    shape = read_shape(config, "its config.json")
    assert isinstance(shape, ModelShape)
    return shape
