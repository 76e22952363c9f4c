"""Decoding: rows that finish leave, and rows that wait take their place."""

from collections import deque
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from vineppo.attending.interface import attending_by
from vineppo.engines.torch.attention import NAME
from vineppo.engines.torch.batch import Batch
from vineppo.engines.torch.ledger import distinct
from vineppo.engines.torch.memory import ROOM
from vineppo.engines.torch.prefill import PREFILL_TOKENS, prefill_missing
from vineppo.engines.torch.schedule import Budget, Row

RELAY_AT = 0.75
"""The batch is laid out anew when so few of its rows still decode: copying the others costs about a step."""


@torch.inference_mode()
def decode(
    model: PreTrainedModel, batch: Batch, waiting: deque[Row], budget: Budget, *, together: int = PREFILL_TOKENS
) -> None:
    """Sample every waiting row until an end token or its limit. The batch reports what finishes.

    together: tokens of a prefill pass.
    """
    while waiting or batch.going:
        newcomers = budget.take(waiting, batch.going, batch.columns, held=batch.held)
        most = budget.most_held([*batch.going, *newcomers], batch.columns)
        batch.trim(most)
        prefill_missing(model, distinct(row.trunk for row in newcomers), budget.trie, together=together)
        with attending_by(model, NAME):
            batch.lay_out(newcomers, room=ROOM, most=most)
            while batch.share_going > RELAY_AT:
                if batch.is_full:
                    fitting = budget.fitting(batch.going, batch.columns + ROOM, held=batch.held)
                    given = batch.give_back(len(batch.going) - fitting)
                    waiting.extendleft(given)
                    forget(given, batch.going, budget)
                    batch.lay_out([], room=ROOM, most=budget.most_held(batch.going, batch.columns))
                else:
                    batch.step()


def forget(given: Sequence[Row], going: Sequence[Row], budget: Budget) -> None:
    """Keys and values of trunks that only rows which now wait have: nobody counts them any more."""
    used = {row.trunk for row in going}
    for trunk in distinct(row.trunk for row in given):
        if trunk not in used and not budget.trie.holds(trunk):
            trunk.pieces = None
