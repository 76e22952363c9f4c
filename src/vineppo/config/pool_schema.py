"""Several engines side by side: the settings of `engine.pool`."""

from pydantic import Field

from vineppo.settings.strict import Strict


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
