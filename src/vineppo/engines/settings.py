"""What samples: what is asked of every engine. Torch-free."""

from typing import TYPE_CHECKING

from pydantic import Field

from vineppo.seams import Engine
from vineppo.settings.memory import GIB, Held, Part, Place
from vineppo.settings.model_shape import ModelShape
from vineppo.settings.strict import Strict, Variant

if TYPE_CHECKING:
    from vineppo.policy import Policy


class PoolConfig(Strict):
    """Several engines side by side, in processes of their own (docs/pool.md)."""

    replicas: int = Field(default=0, ge=0)
    """How many; 0: one engine, in the process that trains. Needs the extra `vineppo[ray]`."""
    address: str | None = Field(default=None, min_length=1)
    """Of a running Ray cluster, e.g. auto or 10.0.0.1:6379; null starts one on this machine, while it is used."""
    timeout: float = Field(default=600.0, gt=0)
    """Seconds that a replica may go without a sign of progress, whatever it does; then the run ends with an error."""
    cpus: float = Field(default=1.0, ge=0)
    """Processor cores that Ray sets aside for each replica."""
    gpus: float = Field(default=0.0, ge=0)
    """GPUs for each replica, on which it then samples; 0.5 lets two share one, 0: it samples on the processor."""


class EngineSettings(Variant):
    """What every engine has, and is asked. One of yours says its `name` and `build`, and of the rest what differs."""

    context: int | None = Field(default=None, ge=1)
    """Most tokens, prompt and response together; null takes the policy's. Some models need a smaller one."""
    memory_gib: float | None = Field(default=None, gt=0)
    """For what sampling holds besides weights; null: what the engine finds."""
    pool: PoolConfig = PoolConfig()

    def build(self, policy: "Policy") -> Engine:
        """What samples: from the policy's own weights, or from a copy that follows them."""
        raise NotImplementedError(f"{type(self).__name__}.build")

    def context_for(self, policy: "Policy") -> int:
        """Most tokens of prompt and response together."""
        return min(policy.context, self.context or policy.context)

    @property
    def memory_bytes(self) -> int | None:
        """`memory_gib`, in bytes."""
        return None if self.memory_gib is None else int(self.memory_gib * GIB)

    def memory_parts(self, held: Held, shape: ModelShape, place: Place, *, longest: int) -> list[Part]:
        """What it holds on this process's device. longest: tokens of the longest sample."""
        return []
