"""The embedded engine: any Hugging Face decoder-only model, on the CPU or one GPU, in this process.

Five ideas. (1) A *trunk* is prefilled or decoded once; all rollouts from its prefixes branch off its keys and values,
which are held once, and once for all trunks that begin alike (`trie`, `prefill`). (2) The rows that decode side by side
meet their trunk in one matrix product, and what all trunks begin with in another (`attention`).
(3) Rows that finish leave at once for rows that wait (`decode`, `schedule`). (4) A continuation's random numbers depend
on its seed alone, so the batch around it does not matter. (5) On a GPU, decoding steps are recorded once for each shape
and replayed (`recorded`, `recordings`).
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from vineppo.engines.limits import new_tokens
from vineppo.engines.stops import Decode, Watch
from vineppo.engines.torch.batch import Batch, Decoded
from vineppo.engines.torch.check import check_branching
from vineppo.engines.torch.decode import decode
from vineppo.engines.torch.decoder import Decoder, PlainDecoder
from vineppo.engines.torch.memory import Measures, default_memory, measure
from vineppo.engines.torch.recorded import RecordedDecoder
from vineppo.engines.torch.recordings import Capture, Recordings
from vineppo.engines.torch.schedule import Budget, Row, in_order
from vineppo.engines.torch.trie import Trie, find_trunks
from vineppo.engines.torch.trunks import first_of, present
from vineppo.rng import derive_seed
from vineppo.seams import Progress
from vineppo.types import Completion, Request, Sampling

KEPT_SHARE = 0.5
"""Of the memory, for trajectories whose rollouts will follow. What they do not take is free for decoding."""
PROMPTS_SHARE = 1 / 8
"""Of the memory, for prompts that nobody uses now: enough for what many begin with."""


class TorchEngine:
    """Samples from a model that it may share with the learner."""

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        end_ids: Sequence[int],
        context: int,
        rows: int = 1024,
        memory_bytes: int | None = None,
        decode: Decode | None = None,
        capture: Capture | None = None,
    ):
        """end_ids: tokens that end a response. context: the most tokens, prompt and response together.

        rows: the most sequences decoded side by side. memory_bytes: for all that sampling holds; None takes, when first
        something is sampled, a share of what is free on the model's device. decode: token ids of a response to its
        text, for stop strings. capture: how decoding steps are recorded, to be replayed; None: they are not. Raises
        UserError for a model that cannot be branched.
        """
        check_branching(model, context)
        self._model = model
        self._end_ids = list(end_ids)
        self._watch = Watch(decode)
        self._context = context
        self._rows = rows
        self._memory = memory_bytes
        self._measures: Measures | None = None
        self._recordings = None if capture is None else Recordings(model, capture)
        self._trie = Trie(max_kept=0)
        self._policy_version = 0

    @property
    def memory_bytes(self) -> int | None:
        """All that sampling may hold; None until it is sized."""
        return self._memory

    @property
    def trie(self) -> Trie:
        """Trajectories whose rollouts may follow, and prompts whose like may."""
        return self._trie

    def allot(self, memory_bytes: int) -> None:
        """Size it, before anything was sampled."""
        self._memory = memory_bytes

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
        self._trie.clear()
        self._policy_version = policy_version

    def sleep(self) -> None:
        """The weights are the learner's; what is kept for rollouts goes, as it would with the next weights."""
        self._trie.clear()

    def sample(
        self, requests: Sequence[Request], sampling: Sampling, *, progress: Progress | None = None
    ) -> list[tuple[Completion, ...]]:
        """Sample all requests. Raises UserError for a prefix that leaves no room in the model's context."""
        measures = self._sized()
        waiting = in_order(self._rows_of(requests, sampling))
        total = len(waiting)
        done: list[dict[int, Completion]] = [{} for _ in requests]
        finished = 0

        def on_finish(row: Row, decoded: Decoded, written: Callable[[], Float[Tensor, "S H C D"]]) -> None:
            nonlocal finished
            finished += 1
            done[row.request][row.draw] = self._completion(decoded)
            if row.keep:
                begun = tuple(first_of(present(row.trunk), len(row.prefix)))
                self._trie.keep(row.prefix + decoded.token_ids[:-1], begun, written)
            if progress is not None:
                progress(finished, total)

        decoder, stops = self._decoder(sampling, measures), self._watch.of(sampling.stop)
        batch = Batch(decoder, sampling, self._end_ids, on_finish, law=measures.law, stops=stops)
        budget = Budget(rows=self._rows, tokens=measures.tokens, prices=measures.prices, trie=self._trie)
        decode(self._model, batch, waiting, budget, together=measures.together)
        self._trie.trim()
        return [tuple(draws[draw] for draw in range(len(draws))) for draws in done]

    def _decoder(self, sampling: Sampling, measures: Measures) -> Decoder:
        if self._recordings is None:
            return PlainDecoder(self._model, sampling, law=measures.law)
        self._recordings.check_weights()
        self._recordings.most = measures.recordings
        return RecordedDecoder(self._model, sampling, self._recordings, law=measures.law)

    def _sized(self) -> Measures:
        if self._memory is None:
            self._memory = default_memory(self._model.device)
        if self._measures is None or self._measures.memory_bytes != self._memory:
            self._measures = measure(self._model, self._memory, recorded=self._recordings is not None)
            self._trie.max_kept = int(KEPT_SHARE * self._measures.tokens)
            self._trie.max_prompts = int(PROMPTS_SHARE * self._measures.tokens)
        return self._measures

    def _rows_of(self, requests: Sequence[Request], sampling: Sampling) -> list[Row]:
        limits = [new_tokens(request, sampling, self._context) for request in requests]
        trunks = find_trunks([request.prefix for request in requests], self._trie)
        return [
            Row(
                request=index,
                draw=draw,
                shares=request.count if request.stratified else 1,
                prefix=request.prefix,
                trunk=trunks[request.prefix],
                seed=derive_seed(request.seed, draw),
                limit=limit,
                forbidden_first=request.forbidden_first,
                written=request.written,
                keep=request.branches,
            )
            for index, (request, limit) in enumerate(zip(requests, limits, strict=True))
            for draw in range(request.count)
        ]

    def _completion(self, decoded: Decoded) -> Completion:
        return Completion(
            token_ids=decoded.token_ids,
            logprobs=decoded.logprobs,
            finish=decoded.finish,
            policy_version=self._policy_version,
        )
