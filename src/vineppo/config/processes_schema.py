"""Several processes: the settings of `processes`."""

from pydantic import Field

from vineppo.config.strict import Strict


class ProcessesConfig(Strict):
    """Training on several processes; how many there are is said to `accelerate launch` or `torchrun`."""

    timeout: float = Field(default=3600.0, gt=0)
    """Seconds that a process waits for the others before the run ends with an error; longer than the longest phase."""
