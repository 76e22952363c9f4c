"""Samples to what goes through a model in one pass, and back: right-padded rows, or token trees.

Per-token quantities of the response live in *flat* tensors [N]: all response tokens of the batch, one sample after the
other. There is no mask to forget, and a mean over [N] is the token mean. In trees, what several samples have in common
is predicted once, and [P] predictions are spread to the N tokens.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from vineppo.attending.interface import attending_by
from vineppo.attending.tree_attention import NAME, Trees, trees_of
from vineppo.attending.trees import merge
from vineppo.learner.recompute import recomputed
from vineppo.types import PromptAndResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Token ids, who sees whom, and where each response token is predicted."""

    token_ids: Int[Tensor, "B L"]
    attention_mask: Bool[Tensor, "B L"] | None
    """Of right-padded rows; None in trees."""
    rows: Int[Tensor, " P"]
    """Which row a prediction is made in."""
    columns: Int[Tensor, " P"]
    """The token that predicts: the one before what is predicted."""
    targets: Int[Tensor, " P"]
    """What is predicted."""
    trees: Trees | None = None
    places: Int[Tensor, " N"] | None = None
    """In trees, which prediction is that of a response token; else they are one and the same."""

    def spread(self, predicted: Float[Tensor, " P"]) -> Float[Tensor, " N"]:
        """To all response tokens."""
        return predicted if self.places is None else predicted.index_select(0, self.places)


def collate(samples: Sequence[PromptAndResponse], *, device: torch.device | str = "cpu") -> Batch:
    """Rows, padded on the right. The padding id is arbitrary: padded positions are masked and never predicted."""
    lengths = [len(sample.token_ids) for sample in samples]
    token_ids = torch.zeros(len(samples), max(lengths), dtype=torch.long)
    for row, sample in enumerate(samples):
        token_ids[row, : lengths[row]] = torch.tensor(sample.token_ids)
    spans = [(sample.prompt_length - 1, length - 1) for sample, length in zip(samples, lengths, strict=True)]
    rows = torch.tensor([row for row, (start, stop) in enumerate(spans) for _ in range(start, stop)])
    columns = torch.tensor([column for start, stop in spans for column in range(start, stop)])
    return Batch(
        token_ids=token_ids.to(device),
        attention_mask=(torch.arange(token_ids.shape[1]) < torch.tensor(lengths)[:, None]).to(device),
        rows=rows.to(device),
        columns=columns.to(device),
        targets=token_ids[rows, columns + 1].to(device),
    )


def collate_trees(samples: Sequence[PromptAndResponse], *, device: torch.device | str = "cpu") -> Batch:
    """One row, in which each distinct token stands once."""
    pack = merge([sample.token_ids for sample in samples])
    parents = np.zeros_like(pack.token_ids)
    for path in pack.paths:
        parents[path[1:]] = path[:-1]
    responses = [path[sample.prompt_length :] for path, sample in zip(pack.paths, samples, strict=True)]
    predicted, places = np.unique(np.concatenate(responses), return_inverse=True)
    token_ids, columns, targets = (
        torch.from_numpy(part).to(device) for part in (pack.token_ids, parents[predicted], pack.token_ids[predicted])
    )
    return Batch(
        token_ids=token_ids[None],
        attention_mask=None,
        rows=torch.zeros_like(columns),
        columns=columns,
        targets=targets,
        trees=trees_of(pack, device=device),
        places=torch.from_numpy(places).to(device),
    )


def hidden_states(backbone: nn.Module, batch: Batch, *, recompute: bool = False) -> Float[Tensor, "P D"]:
    """The last hidden state of each token that predicts. recompute: see `vineppo.learner.recompute`."""
    assert isinstance(backbone, PreTrainedModel), "a backbone is one of transformers' models"
    with recomputed(backbone) if recompute else nullcontext():
        if batch.trees is None:
            output = backbone(input_ids=batch.token_ids, attention_mask=batch.attention_mask, use_cache=False)
        else:
            with attending_by(backbone, NAME):
                output = backbone(
                    input_ids=batch.token_ids,
                    position_ids=batch.trees.depths[None],
                    use_cache=False,
                    trees=batch.trees,
                )
    return output.last_hidden_state[batch.rows, batch.columns]
