"""The sampling law, read off the logits of the model in training.

TRL's generation tells no log-probs, or those of tokens that were sampled, and cannot forbid a first token after top-p.
So the first token of a continuation that leaves what is known is drawn here, and TRL's generation goes on from there.

One sequence goes through the model after the other: the logits of a whole batch are what TRL's fused head avoids.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vineppo.engines.prefixes import TokenIds, maximal
from vineppo.engines.torch.law import counter_uniforms, draw_tokens, sampling_logprobs
from vineppo.integrations.trl.base import Trainer
from vineppo.integrations.trl.shares import in_shares
from vineppo.processes import Processes
from vineppo.rng import derive_seed
from vineppo.types import Request, Sampling

FirstToken = tuple[int, float]
"""Id and log-prob under the law without the forbidden tokens."""


class TrainedLaw:
    """What the trainer's model would sample next."""

    def __init__(self, trainer: Trainer, processes: Processes):
        self._trainer = trainer
        self._processes = processes

    def logprobs(self, prompt: TokenIds, response: TokenIds, sampling: Sampling) -> tuple[float, ...]:
        """[T] of a response's tokens. All processes call it equally often."""
        logits = self._logits(prompt + response)[len(prompt) - 1 : -1]
        law = sampling_logprobs(logits, sampling)
        return tuple(law.gather(-1, torch.tensor(response, device=law.device)[:, None])[:, 0].tolist())

    def first_tokens(self, requests: Sequence[Request], sampling: Sampling) -> list[list[FirstToken]]:
        """`count` of each request, none of them forbidden; where it says so, from equal shares of the law.

        A prefix that another continues is read off that one's logits. Every process hands in the same requests.
        """
        whole = maximal([request.prefix for request in requests])
        inside: dict[TokenIds, list[int]] = defaultdict(list)
        for index, request in enumerate(requests):
            inside[whole[bisect_left(whole, request.prefix)]].append(index)
        jobs = [_Job(token_ids=ids, requests=[requests[i] for i in own]) for ids, own in inside.items()]
        drawn = in_shares(
            self._processes,
            jobs,
            lambda own: [draw_firsts(self._logits(job.token_ids), job.requests, sampling) for job in own],
        )
        found = dict(
            zip([i for own in inside.values() for i in own], [tokens for job in drawn for tokens in job], strict=True)
        )
        return [found[index] for index in range(len(requests))]

    def _logits(self, token_ids: TokenIds) -> Float[Tensor, "L V"]:
        """Without dropout: the law, not a draw of it."""
        trainer = self._trainer
        model = trainer.model
        training = model.training
        model.eval()
        try:
            with torch.no_grad(), trainer.accelerator.autocast():
                ids = torch.tensor([token_ids], device=trainer.accelerator.device)
                return model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits[0]
        finally:
            model.train(training)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    """A sequence, and the requests whose prefixes it holds."""

    token_ids: TokenIds
    requests: Sequence[Request]


def draw_firsts(
    logits: Float[Tensor, "L V"], requests: Sequence[Request], sampling: Sampling
) -> list[list[FirstToken]]:
    """Of requests whose prefixes are beginnings of one sequence with these logits."""
    places = [(request, draw) for request in requests for draw in range(request.count)]
    if not places:
        return [[] for _ in requests]
    seeds = np.array([derive_seed(request.seed, draw) for request, draw in places], dtype=np.uint64)
    uniforms = counter_uniforms(seeds, np.zeros(len(places), dtype=np.int64))
    shares = np.array([(draw, request.count) if request.stratified else (0, 1) for request, draw in places])
    tokens, logprobs = draw_tokens(
        logits,
        sampling,
        (shares[:, 0] + uniforms) / shares[:, 1],
        of=np.array([len(request.prefix) - 1 for request, _ in places]),
        forbidden=[request.forbidden_first for request, _ in places],
    )
    drawn = iter(zip(tokens.tolist(), logprobs.tolist(), strict=True))
    return [[next(drawn) for _ in range(request.count)] for request in requests]
