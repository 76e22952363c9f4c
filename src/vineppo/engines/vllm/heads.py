"""Attention heads wider than the policy's own, which give the same numbers.

vLLM's attention on the CPU knows few head sizes. Zeros at the end of each head's queries, keys and values change no
dot product, so a head of size d can be computed in one of width w > d, if three things are seen to:

    scale     vLLM divides scores by sqrt(w), the policy by sqrt(d): the queries are multiplied by sqrt(w / d)
    rotation  only the first d numbers of a head are rotated, which Llama in vLLM offers as `partial_rotary_factor`
    output    the rows of the output matrix are spread in the same way
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedConfig

from vineppo.errors import UserError

WIDENED = ("llama",)
"""Model types whose attention is known to be no more than what is described above."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Widening:
    """From heads of `size` to heads of `width`."""

    size: int
    width: int

    def check(self, dtype: str) -> None:
        """Refuse what vLLM's rotation on the CPU does not survive: vectors that it writes must be aligned."""
        if dtype != "float32":
            raise UserError(
                f"engine is vllm, and would compute in {dtype}; on the CPU it ends the process over attention heads of "
                f"{self.size} numbers in less than float32; set engine.dtype=float32, or take engine=torch, or a GPU"
            )

    def config(self, config: PreTrainedConfig) -> dict[str, object]:
        """What changes in the model's config."""
        rotation = {**config.rope_parameters, "partial_rotary_factor": self.size / self.width}
        return {"head_dim": self.width, "rope_parameters": rotation}

    def weights(self, tensors: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        """The same weights for the wider heads; names are kept."""
        return ((name, self._widened(name, tensor)) for name, tensor in tensors)

    def _widened(self, name: str, tensor: Tensor) -> Tensor:
        match name.split(".")[-2:]:
            case ["q_proj", _]:
                return self._spread(tensor).float() * sqrt(self.width / self.size)  # not rounded once more
            case ["k_proj" | "v_proj", _]:
                return self._spread(tensor)
            case ["o_proj", "weight"]:
                return self._spread(tensor.T).T
            case _:
                return tensor

    def _spread(self, rows: Float[Tensor, "h_times_size *c"]) -> Float[Tensor, "h_times_width *c"]:
        """Zeros after the rows of each head."""
        heads = rows.unflatten(0, (-1, self.size))
        wide = heads.new_zeros(len(heads), self.width, *heads.shape[2:])
        wide[:, : self.size] = heads
        return wide.flatten(0, 1)


def find_widening(config: PreTrainedConfig, supported: Sequence[int]) -> Widening | None:
    """The least that is needed; None where the heads fit as they are. Raises UserError where nothing helps."""
    size = head_size(config)
    if size is None or size in supported:
        return None
    widths = [width for width in sorted(supported) if width > size]
    if config.model_type not in WIDENED or not widths:
        raise UserError(
            f"engine is vllm and the policy's attention heads have {size} numbers, but vLLM's attention on the CPU "
            f"takes only {', '.join(map(str, supported))}; they can be widened for {', '.join(WIDENED)}, not for "
            f"{config.model_type}; take engine=torch, or a GPU"
        )
    return Widening(size=size, width=widths[0])


def head_size(config: PreTrainedConfig) -> int | None:
    """Numbers per attention head; None where the config does not say it in the usual words, and vLLM must judge."""
    match config.to_dict():
        case {"head_dim": int(size)}:
            return size
        case {"hidden_size": int(width), "num_attention_heads": int(heads)}:
            return width // heads
        case _:
            return None


def scaled(tensors: Iterable[tuple[str, Tensor]], factor: float) -> dict[str, Tensor]:
    """All weights, multiplied."""
    return {name: torch.mul(tensor, factor) for name, tensor in tensors}
