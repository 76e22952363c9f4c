"""What a part is told. Nothing heavy is imported."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gpu_run.plan import Part
from rollout_speed.names import Model, Place

Dtype = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """One part of a run."""

    part: Part
    device: Literal["cpu", "cuda"]
    sizes: tuple[Model, ...]
    """Of the random-weight models."""
    seconds: float
    """Then it is killed: what matters most is to be measured first."""
    until: float
    """When that is, by time.time(): importing libraries counts."""
    out: Path
    """For results; small."""
    work: Path
    """For models and runs; large, and of no use afterwards."""
    policy: str | None = None
    """Where to begin learning long programs; None: configs/registers.yaml with the bundled policy."""
    model: str | None = None
    """A real model's folder."""
    data: str | None = None
    """A folder with train.jsonl and test.jsonl, columns question and answer, as GSM8K's."""
    vllm_python: str | None = None
    """An interpreter that has vLLM; None: it is left out."""

    @property
    def dtypes(self) -> tuple[Dtype, ...]:
        """In which correctness is asked."""
        return ("float32", "bfloat16")

    @property
    def place(self) -> Place:
        """Where speed and memory are measured: on a GPU in bfloat16, which a CPU need not be good at."""
        return Place(device=self.device, dtype="bfloat16" if self.device == "cuda" else "float32")

    @property
    def left(self) -> float:
        """Seconds from now."""
        return self.until - time.time()

    @property
    def on_gpu(self) -> bool:
        """Whether sizes are those of a GPU."""
        return self.device == "cuda"
