"""The law of requests that forbid first tokens, as a logits processor of vLLM's model runner V1.

vLLM truncates (top-k, top-p) after its processors, but forbidding must come after truncation: what is sampled is the
truncated law, given that none of the forbidden tokens comes. Such a request therefore leaves its whole law to this
processor, at every position, and tells vLLM itself to change nothing (temperature 1, no top-k, no top-p). It is the
embedded engine's law, the very function.
"""

from typing import Any

import torch
from torch import Tensor
from vllm import SamplingParams  # pyright: ignore[reportMissingImports]
from vllm.v1.sample.logits_processor import (  # pyright: ignore[reportMissingImports]
    BatchUpdate,
    LogitsProcessor,
)
from vllm.v1.sample.logits_processor.builtin import process_dict_updates  # pyright: ignore[reportMissingImports]

from vineppo.engines.torch.law import sampling_logprobs
from vineppo.types import Sampling

ARGUMENT = "vineppo"
"""The key of `SamplingParams.extra_args` under which a request says what this processor needs."""


def leave(forbidden: tuple[int, ...], sampling: Sampling) -> dict[str, Any]:
    """The argument for a request. Plain data, since it may travel to another process."""
    law = [sampling.temperature, sampling.top_k, sampling.top_p]
    return {ARGUMENT: {"forbidden_first": list(forbidden), "law": law}}


class LeavingLaw(LogitsProcessor):
    """Rows of the batch that leave what is known; all others pass through untouched."""

    def __init__(self, vllm_config: object, device: torch.device, is_pin_memory: bool):
        self._rows: dict[int, tuple[Sampling, list[int], list[int]]] = {}
        """Row -> law, forbidden tokens, and the tokens written so far: a list that vLLM goes on filling."""

    def is_argmax_invariant(self) -> bool:
        """False: vLLM then calls it for greedy requests too, and before anything of its own."""
        return False

    def update_state(self, batch_update: "BatchUpdate | None") -> None:
        """Follow requests that join, finish, or change their row."""
        process_dict_updates(self._rows, batch_update, _row)

    def apply(self, logits: Tensor) -> Tensor:
        """[B V] logits of the next token, in place."""
        for law in {law for law, _, _ in self._rows.values()}:
            rows = [row for row, (own, _, _) in self._rows.items() if own == law]
            pairs = [
                (place, token)
                for place, row in enumerate(rows)
                if not self._rows[row][2]
                for token in self._rows[row][1]
            ]
            forbidden = torch.tensor(pairs, device=logits.device) if pairs else None
            logits[rows] = sampling_logprobs(logits[rows], law, forbidden)
        return logits


def _row(
    params: SamplingParams, prompt: list[int] | None, written: list[int]
) -> tuple[Sampling, list[int], list[int]] | None:
    """What a new request asks for; one that vLLM had to interrupt comes back with what it had written."""
    argument = (params.extra_args or {}).get(ARGUMENT)
    if argument is None:
        return None
    temperature, top_k, top_p = argument["law"]
    return Sampling(temperature=temperature, top_k=top_k, top_p=top_p), argument["forbidden_first"], written
