"""What every section of the configuration is."""

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
