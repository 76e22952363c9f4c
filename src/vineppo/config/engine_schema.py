"""What samples: the settings of `engine`."""

from typing import Literal

from pydantic import Field

from vineppo.config.strict import Strict


class EngineConfig(Strict):
    """What samples continuations."""

    name: Literal["torch"] = "torch"
    """torch: transformers in this process."""
    rows: int = Field(default=256, ge=1)
    """Sequences decoded side by side."""
    kept_gib: float = Field(default=4.0, ge=0)
    """Keys and values of trajectories kept for their rollouts; what does not fit is prefilled again."""
