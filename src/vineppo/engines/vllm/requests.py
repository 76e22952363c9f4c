"""Our requests in vLLM's words, and its outputs in ours."""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from vllm import SamplingParams  # pyright: ignore[reportMissingImports]
from vllm.outputs import CompletionOutput, RequestOutput  # pyright: ignore[reportMissingImports]
from vllm.sampling_params import RequestOutputKind  # pyright: ignore[reportMissingImports]

from vineppo.engines.stops import Stops
from vineppo.engines.vllm.law import leave
from vineppo.rng import derive_seed
from vineppo.types import Completion, Finish, Request, Sampling

SEED_BITS = 62
"""vLLM seeds continuation i of a request with seed + i, which must stay within 63 bits."""


def in_order(requests: Sequence[Request]) -> list[int]:
    """Indices, prefixes of one trajectory one after the other, so that each finds the pages of those before it."""
    asked = [index for index, request in enumerate(requests) if request.count]
    return sorted(asked, key=lambda index: requests[index].prefix)


def parameters(request: Request, sampling: Sampling, *, limit: int, end_ids: Sequence[int]) -> SamplingParams:
    """All vLLM must know of a request besides its prefix."""
    leaving = bool(request.forbidden_first)
    return SamplingParams(
        n=request.count,
        seed=seed_of(request),
        temperature=1.0 if leaving else sampling.temperature,
        top_k=0 if leaving else sampling.top_k,
        top_p=1.0 if leaving else sampling.top_p,
        extra_args=leave(request.forbidden_first, sampling) if leaving else None,
        max_tokens=limit,
        stop_token_ids=list(end_ids),
        ignore_eos=True,  # `end_ids` are all that end a response
        logprobs=0,  # of the sampled token, and of no others
        flat_logprobs=True,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def apart(parameters: SamplingParams) -> list[SamplingParams]:
    """For each continuation a request that tells every token and can be ended alone, with the seed it has anyway."""
    singles = [copy(parameters) for _ in range(parameters.n)]
    for draw, single in enumerate(singles):
        single.n, single.output_kind = 1, RequestOutputKind.CUMULATIVE
        single.seed += draw
    return singles


def stopped(outputs: Sequence[RequestOutput], asked: Mapping[str, Request], stops: Stops) -> set[str]:
    """The names of the single continuations that have come to a stop string.

    vLLM's own `stop` looks at what it generated alone, and would miss a string that began in the prefix.
    """
    tokens = {output.request_id: output.outputs[0].token_ids for output in outputs}
    suspects = stops.suspects(np.array([own[-1] for own in tokens.values()], dtype=np.int64))
    return {
        name
        for (name, own), suspect in zip(tokens.items(), suspects, strict=True)
        if suspect and stops.reached([*asked[name].written, *own])
    }


def seed_of(request: Request) -> int:
    """Far from that of any other request: with neighbouring seeds, continuations of two would share their samples."""
    return derive_seed(request.seed, "vllm") >> (63 - SEED_BITS)


def completion(output: CompletionOutput, *, greedy: bool, ended: bool, policy_version: int) -> Completion:
    """One continuation. The greedy law is certain of its token, where vLLM tells what the whole softmax gives it."""
    tokens, logprobs = tuple(output.token_ids), _flat(output.logprobs)
    return Completion(
        token_ids=tokens,
        logprobs=(0.0,) * len(tokens) if greedy else logprobs,
        finish=Finish.TERMINATED if ended else Finish.TRUNCATED,
        policy_version=policy_version,
    )


def _flat(logprobs: Any) -> tuple[float, ...]:
    """[T] of vLLM's flat record, which holds one number a token where only the sampled one was asked for."""
    return tuple(logprobs.logprobs)
