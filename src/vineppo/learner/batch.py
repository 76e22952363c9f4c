"""Ragged samples to right-padded tensors and back.

Per-token quantities of the response live in *flat* tensors [N]: all response tokens of the batch, one sample after the
other. There is no mask to forget, and a mean over [N] is the token mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from vineppo.types import PromptAndResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Right-padded token ids, and where each response token is predicted."""

    token_ids: Int[Tensor, "B L"]
    attention_mask: Bool[Tensor, "B L"]
    rows: Int[Tensor, " N"]
    """Which sample a response token belongs to."""
    columns: Int[Tensor, " N"]
    """The position that predicts it: one before its own."""

    @property
    def targets(self) -> Int[Tensor, " N"]:
        """The response tokens."""
        return self.token_ids[self.rows, self.columns + 1]


def collate(samples: Sequence[PromptAndResponse], *, device: torch.device | str = "cpu") -> Batch:
    """Pad on the right. The padding id is arbitrary: padded positions are masked and never predicted."""
    lengths = [len(sample.token_ids) for sample in samples]
    token_ids = torch.zeros(len(samples), max(lengths), dtype=torch.long)
    for row, sample in enumerate(samples):
        token_ids[row, : lengths[row]] = torch.tensor(sample.token_ids)
    spans = [(sample.prompt_length - 1, length - 1) for sample, length in zip(samples, lengths, strict=True)]
    rows = [row for row, (start, stop) in enumerate(spans) for _ in range(start, stop)]
    columns = [column for start, stop in spans for column in range(start, stop)]
    return Batch(
        token_ids=token_ids.to(device),
        attention_mask=(torch.arange(token_ids.shape[1]) < torch.tensor(lengths)[:, None]).to(device),
        rows=torch.tensor(rows, device=device),
        columns=torch.tensor(columns, device=device),
    )
