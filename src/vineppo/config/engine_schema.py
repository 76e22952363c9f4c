"""What samples: the settings of `engine`."""

from typing import Literal

from pydantic import Field

from vineppo.config.pool_schema import PoolConfig
from vineppo.config.strict import Strict


class EngineConfig(Strict):
    """What samples continuations."""

    name: Literal["torch"] = "torch"
    """torch: transformers in this process."""
    rows: int = Field(default=1024, ge=1)
    """Most sequences decoded side by side."""
    memory_gib: float | None = Field(default=None, gt=0)
    """For the keys and values of trajectories and rollouts; null takes a share of what is free on the policy's device.
    Trajectories that do not fit into half of it are prefilled again for their rollouts."""
    pool: PoolConfig = PoolConfig()
