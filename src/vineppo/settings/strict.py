"""What every section of the configuration is."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A frozen section that knows all its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class Variant(Strict):
    """A section of which there are several kinds, each with a `name` of its own."""

    @property
    def called(self) -> str:
        """Its name, as it is written in a configuration."""
        return str(dict(self).get("name", type(self).__name__))


def leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys of a tree to its values."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= leaves(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
