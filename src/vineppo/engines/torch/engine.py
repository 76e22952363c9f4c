"""The embedded engine: any Hugging Face decoder-only model, on the CPU or one GPU, in this process.

Three ideas. (1) A *trunk* is prefilled or decoded once; all rollouts from its prefixes branch off its keys and values.
(2) Rows that decode side by side share one preallocated cache; finished rows leave it. (3) A continuation's random
numbers depend on its seed alone, so the batch around it does not matter.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from vineppo.engines.torch.cache import TokenIds, Trunks, check_cacheable, maximal, prefill
from vineppo.engines.torch.decode import Decoded, Row, decode
from vineppo.errors import UserError
from vineppo.rng import derive_seed
from vineppo.seams import Progress
from vineppo.types import Completion, Request, Sampling


class TorchEngine:
    """Samples from a model that it may share with the learner.

    rows: sequences decoded side by side. kept_bytes: keys and values of trajectories held for their rollouts.
    """

    def __init__(
        self, model: PreTrainedModel, *, end_ids: Sequence[int], context: int, rows: int = 256, kept_bytes: int = 0
    ):
        check_cacheable(model)
        self._model = model
        self._end_ids = list(end_ids)
        self._context = context
        self._rows = rows
        self._kept = Trunks(max_bytes=kept_bytes)
        self._policy_version = 0

    @property
    def policy_version(self) -> int:
        """Of the weights that sample now."""
        return self._policy_version

    def load_weights(self, state: Mapping[str, Tensor], *, policy_version: int) -> None:
        """Copy new weights in (those shared with the learner are there already) and drop what the old ones cached."""
        own = self._model.state_dict()
        with torch.no_grad():
            for name, tensor in state.items():
                if own[name].data_ptr() != tensor.data_ptr():
                    own[name].copy_(tensor)
        self._kept.clear()
        self._policy_version = policy_version

    def sample(
        self, requests: Sequence[Request], sampling: Sampling, *, progress: Progress | None = None
    ) -> list[tuple[Completion, ...]]:
        """Sample all requests. Raises UserError for a prefix that leaves no room in the model's context."""
        work = [(index, draw) for index, request in enumerate(requests) for draw in range(request.count)]
        limits = [self._limit(request, sampling) for request in requests]
        # Long prefixes together: little padding, and neighbours share their trunk.
        work.sort(key=lambda item: (-len(requests[item[0]].prefix), requests[item[0]].prefix, item))
        done: dict[tuple[int, int], Completion] = {}
        for start in range(0, len(work), self._rows):
            batch = work[start : start + self._rows]
            for item, decoded in zip(batch, self._decode(batch, requests, limits, sampling), strict=True):
                done[item] = self._completion(decoded)
            if progress is not None:
                progress(len(done), len(work))
        return [tuple(done[index, draw] for draw in range(request.count)) for index, request in enumerate(requests)]

    def _decode(
        self,
        batch: Sequence[tuple[int, int]],
        requests: Sequence[Request],
        limits: Sequence[int],
        sampling: Sampling,
    ) -> list[Decoded]:
        trunks = self._trunks([requests[index].prefix for index, _ in batch])
        rows = [
            Row(
                prefix=requests[index].prefix,
                trunk=trunk,
                seed=derive_seed(requests[index].seed, draw),
                limit=limits[index],
                forbidden_first=requests[index].forbidden_first,
            )
            for (index, draw), trunk in zip(batch, trunks, strict=True)
        ]
        branches = [requests[index].branches for index, _ in batch]

        def keep(row: int, tokens: TokenIds, keys_values: Tensor) -> None:
            if branches[row]:
                self._kept.add(tokens, keys_values)

        return decode(
            self._model, rows, sampling=sampling, end_ids=self._end_ids, on_finish=keep if any(branches) else None
        )

    def _trunks(self, prefixes: Sequence[TokenIds]) -> list[Tensor]:
        """Keys and values of all but the last token of each prefix: from a kept trajectory, else prefilled once."""
        kept = {prefix: self._kept.covering(prefix[:-1]) for prefix in prefixes}
        missing = maximal([prefix for prefix, trunk in kept.items() if trunk is None])
        fresh = Trunks()
        if missing:
            for tokens, keys_values in zip(missing, prefill(self._model, missing), strict=True):
                fresh.add(tokens, keys_values)
        trunks = {prefix: fresh.covering(prefix[:-1]) if trunk is None else trunk for prefix, trunk in kept.items()}
        return [_present(trunks[prefix]) for prefix in prefixes]

    def _limit(self, request: Request, sampling: Sampling) -> int:
        """New tokens for a request: what it asks for, within the model's context."""
        if not request.prefix:
            raise ValueError("a request needs a prefix of at least one token: nothing can be predicted from nothing")
        room = self._context - len(request.prefix)
        if room < 1:
            raise UserError(
                f"a prompt of {len(request.prefix)} tokens leaves no room in the model's context of {self._context}; "
                "drop such questions, shorten the prompt template or take a model with a longer context"
            )
        wanted = sampling.max_new_tokens if request.max_new_tokens is None else request.max_new_tokens
        return min(wanted, room)

    def _completion(self, decoded: Decoded) -> Completion:
        return Completion(
            token_ids=decoded.token_ids,
            logprobs=decoded.logprobs,
            finish=decoded.finish,
            policy_version=self._policy_version,
        )


def _present(trunk: Tensor | None) -> Tensor:
    assert trunk is not None, "every prefix is covered: what was missing has just been prefilled"
    return trunk
