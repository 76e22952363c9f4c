"""The names a person may give on the command line, and what a child process is told. Nothing heavy is imported."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Model(StrEnum):
    """All but the last have random weights."""

    TINY = "tiny"
    """0.8 M parameters, Llama."""
    SMALL = "small"
    """4.5 M parameters, Llama."""
    HALF_B = "0.5b"
    """0.5 B parameters, the shape of Qwen2.5-0.5B."""
    ONE_AND_A_HALF_B = "1.5b"
    """1.5 B parameters, the shape of Qwen2.5-1.5B."""
    ARITHMETIC = "arithmetic"
    """The bundled policy, with trajectories it sampled on its own questions."""


class Variant(StrEnum):
    """When rollouts end."""

    FIXED = "fixed"
    """Never before the limit."""
    STOPPING = "stopping"
    """At an end token. The arithmetic policy's own; for random weights 1/32 of the vocabulary are end tokens, which
    makes lengths nearly geometric."""


class Contender(StrEnum):
    """Who samples."""

    OURS = "ours"
    OURS_PLAIN = "ours-plain"
    """With engine.compile=false; on a CPU the same."""
    GENERATE = "generate"
    CONTINUOUS = "continuous"
    VLLM = "vllm"
    VLLM_COMPILED = "vllm-compiled"

    @property
    def label(self) -> str:
        """For tables."""
        return {
            Contender.OURS: "vineppo embedded engine",
            Contender.OURS_PLAIN: "the same, every kernel launched",
            Contender.GENERATE: "transformers.generate",
            Contender.CONTINUOUS: "transformers continuous batching",
            Contender.VLLM: "vLLM, eager",
            Contender.VLLM_COMPILED: "vLLM, compiled",
        }[self]


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How much is asked."""

    trajectories: int
    length: int
    """Tokens of a trajectory, prompt and response."""
    states: int
    """Branching points of each trajectory."""
    rollouts: int
    new_tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What a contender may choose for itself."""

    threads: int
    rows: int
    """Sequences side by side."""

    def __str__(self) -> str:
        return f"{self.rows} rows, {self.threads} thread{'s' if self.threads > 1 else ''}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where and in which precision all contenders of a run sample."""

    device: str
    """cpu or cuda"""
    dtype: str
    """float32 or bfloat16"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A folder that holds one workload and its model."""

    folder: Path

    @property
    def model(self) -> Path:
        """A Hugging Face folder."""
        return self.folder / "model"

    @property
    def workload(self) -> Path:
        """See workload.py."""
        return self.folder / "workload.json"
