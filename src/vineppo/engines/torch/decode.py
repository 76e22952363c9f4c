"""Decoding: rows that finish leave, and rows that wait take their place."""

from collections import deque

import torch
from transformers import PreTrainedModel

from vineppo.engines.torch.attention import branching_in
from vineppo.engines.torch.batch import Batch
from vineppo.engines.torch.schedule import Budget, Row
from vineppo.engines.torch.trunks import prefill_missing

RELAY_AT = 0.75
"""The batch is laid out anew when so few of its rows still decode: copying the others costs about a step."""
ROOM = 16
"""Columns that branches get at a time. More would leave gaps between them, which slow the reading of branches on a CPU
fourfold (it no longer streams); fewer would copy all branches more often."""


@torch.inference_mode()
def decode(model: PreTrainedModel, batch: Batch, waiting: deque[Row], budget: Budget) -> None:
    """Sample every waiting row until an end token or its limit. The batch reports what finishes."""
    while waiting or batch.going:
        newcomers = budget.take(waiting, batch.going, batch.columns)
        prefill_missing(model, list(dict.fromkeys(row.trunk for row in newcomers)))
        with branching_in(model):
            batch.lay_out(newcomers, room=ROOM)
            while batch.share_going > RELAY_AT:
                if batch.is_full:
                    fitting = budget.fitting(batch.going, batch.columns + ROOM)
                    waiting.extendleft(batch.give_back(len(batch.going) - fitting))
                    batch.lay_out([], room=ROOM)
                else:
                    batch.step()
