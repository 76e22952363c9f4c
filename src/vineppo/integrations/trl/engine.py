"""TRL's own generation (transformers' generate, vLLM in the process or served) behind our Protocol `Engine`.

Where a request forbids first tokens or wants them from equal shares of the law, they are drawn by `law`; the rest, and
all of any other request, is what `GRPOTrainer` generates. What that means for promises of the Protocol:

* with `generate`, random numbers come from torch's generator, seeded for the call from the requests and put back after
  it, so that TRL's own draws stay those of a run without us; a continuation depends on the others of its call. vLLM
  draws from its own state, which no resumed run repeats;
* TRL has one length limit for a call: what a prefix had spent is cut off afterwards, which changes no law;
* log-probs are those of vLLM, under the sampling law; `generate` tells none, and they are nan. Values need none.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor

from vineppo.engines.prefixes import TokenIds
from vineppo.integrations.trl.base import Trainer
from vineppo.integrations.trl.law import TrainedLaw
from vineppo.integrations.trl.shares import in_shares
from vineppo.processes import Processes
from vineppo.rng import derive_seed
from vineppo.seams import Progress
from vineppo.types import Completion, Finish, Request, Sampling

Generated = tuple[TokenIds, tuple[float, ...]]
"""Ids and log-probs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One continuation to sample."""

    place: int
    """Among all of the call."""
    prefix: TokenIds
    begun: TokenIds
    """The first token, where it is drawn already."""
    logprobs: tuple[float, ...]
    """Of `begun`."""
    limit: int
    """New tokens, `begun` included."""

    @property
    def left(self) -> int:
        """Tokens it may still get."""
        return self.limit - len(self.begun)


class TrlEngine:
    """Every process hands in the same requests and gets all completions.

    together: rows that `generate` samples side by side on one device; None: as many as completions.
    """

    def __init__(self, trainer: Trainer, law: TrainedLaw, processes: Processes, *, together: int | None):
        self._trainer = trainer
        self._law = law
        self._processes = processes
        self._rows_together = together

    @property
    def policy_version(self) -> int:
        """Updates so far."""
        return self._trainer.state.global_step

    def load_weights(self, state: Mapping[str, Tensor], *, policy_version: int) -> None:
        """TRL hands its weights to vLLM before it generates; `generate` samples from them anyway."""

    def sleep(self) -> None:
        """TRL sends vLLM to sleep where `vllm_enable_sleep_mode` says so."""

    def sample(
        self, requests: Sequence[Request], sampling: Sampling, *, progress: Progress | None = None
    ) -> list[tuple[Completion, ...]]:
        """All requests. `progress` is not told: TRL has bars of its own."""
        rows = self._rows(requests, sampling)
        ended = self._ends()
        going = [row for row in rows if row.left > 0 and not (row.begun and row.begun[-1] in ended)]
        place = derive_seed("trl", *(part for request in requests for part in (request.seed, request.count)))
        generated: dict[int, Generated] = {}
        for number, chunk in enumerate(chunks(going, self._together())):
            with seeded(derive_seed(place, number, self._processes.rank), self._trainer):
                found = in_shares(self._processes, chunk, self._generate)
            generated |= zip((row.place for row in chunk), found, strict=True)
        completions = iter(self._completion(row, generated.get(row.place, ((), ())), ended) for row in rows)
        return [tuple(next(completions) for _ in range(request.count)) for request in requests]

    def _rows(self, requests: Sequence[Request], sampling: Sampling) -> list[Row]:
        """Request after request."""
        special = [i for i, r in enumerate(requests) if (r.forbidden_first or r.stratified) and limit_of(r, sampling)]
        drawn = dict(zip(special, self._law.first_tokens([requests[i] for i in special], sampling), strict=True))
        rows: list[Row] = []
        for index, request in enumerate(requests):
            firsts = drawn.get(index, [None] * request.count)
            rows += [
                Row(
                    place=len(rows) + draw,
                    prefix=request.prefix,
                    begun=() if first is None else (first[0],),
                    logprobs=() if first is None else (first[1],),
                    limit=limit_of(request, sampling),
                )
                for draw, first in enumerate(firsts)
            ]
        return rows

    def _together(self) -> int | None:
        """Rows of a call, of all processes; None: all, for vLLM has a schedule of its own."""
        if self._trainer.use_vllm:
            return None
        own = self._rows_together
        return self._trainer.args.generation_batch_size if own is None else own * self._processes.count

    def _generate(self, rows: list[Row]) -> list[Generated]:
        """This process's rows of a chunk."""
        with limited(self._trainer, max(row.left for row in rows)):
            prompts = [list(row.prefix + row.begun) for row in rows]
            # One generation per prompt: prompts of a server's batch are distinct places, whatever they hold.
            ids, logprobs = self._trainer._generate_single_turn(prompts, None, {}, 1)
        told = [[nan] * len(own) for own in ids] if logprobs is None else logprobs
        return [
            (tuple(own[: row.left]), tuple(nan if p is None else p for p in probs[: row.left]))
            for row, own, probs in zip(rows, ids, told, strict=True)
        ]

    def _completion(self, row: Row, generated: Generated, ended: frozenset[int]) -> Completion:
        token_ids, logprobs = row.begun + generated[0], row.logprobs + generated[1]
        over = bool(token_ids) and token_ids[-1] in ended
        return Completion(
            token_ids=token_ids,
            logprobs=logprobs,
            finish=Finish.TERMINATED if over else Finish.TRUNCATED,
            policy_version=self.policy_version,
        )

    def _ends(self) -> frozenset[int]:
        return end_ids(self._trainer)


def end_ids(trainer: Trainer) -> frozenset[int]:
    """Tokens after which TRL calls a completion ended."""
    return frozenset([*trainer.eos_token_ids, trainer._tokenizer.pad_token_id])


def limit_of(request: Request, sampling: Sampling) -> int:
    """New tokens at most."""
    return sampling.max_new_tokens if request.max_new_tokens is None else request.max_new_tokens


def chunks(rows: Sequence[Row], together: int | None) -> Iterator[list[Row]]:
    """Those with as much left go side by side: at most `together`, none with less than half of what another has."""
    if together is None:
        yield from [list(rows)] if rows else []
        return
    chunk: list[Row] = []
    for row in sorted(rows, key=lambda row: (-row.left, row.prefix)):
        if chunk and (len(chunk) == together or 2 * row.left < chunk[0].left):
            yield chunk
            chunk = []
        chunk.append(row)
    if chunk:
        yield chunk


@contextmanager
def limited(trainer: Trainer, new_tokens: int) -> Iterator[None]:
    """TRL's generation with another length limit."""
    if trainer.use_vllm:
        before = trainer.vllm_generation.max_completion_length
        trainer.vllm_generation.max_completion_length = new_tokens
        try:
            yield
        finally:
            trainer.vllm_generation.max_completion_length = before
        return
    config, kwargs = trainer.generation_config, trainer.generation_kwargs
    before, stated = config.max_new_tokens, dict(kwargs)
    config.max_new_tokens = kwargs["max_new_tokens"] = new_tokens
    try:
        yield
    finally:
        config.max_new_tokens = before
        kwargs |= stated


def seeded(seed: int, trainer: Trainer) -> AbstractContextManager[None]:
    """torch's random numbers begin at `seed`, and go on afterwards as if nothing had been."""
    return nullcontext() if trainer.use_vllm else _forked(seed, trainer.accelerator.device)


@contextmanager
def _forked(seed: int, device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device], device_type=device.type):
        torch.manual_seed(seed)
        yield
