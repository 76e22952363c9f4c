"""What every section of the configuration is."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A frozen section that knows all its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)
