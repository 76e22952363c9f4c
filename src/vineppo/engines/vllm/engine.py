"""vLLM in this process: paged attention with a prefix cache, and weights of its own.

What differs from the embedded engine: prefixes are found again by vLLM's prefix cache, in whole pages of tokens, where
the embedded engine holds trajectories exactly; weights are copied in after each update, and a probe then tells whether
what is sampled is what the trainer has (`vineppo.engines.agreement`). The law and its log-probs are the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel
from vllm import LLM  # pyright: ignore[reportMissingImports]
from vllm.outputs import CompletionOutput  # pyright: ignore[reportMissingImports]

from vineppo.engines.agreement import State, difference, probe
from vineppo.engines.limits import new_tokens
from vineppo.engines.stops import Decode, Stops, Watch
from vineppo.engines.vllm.heads import Widening, scaled
from vineppo.engines.vllm.requests import apart, completion, in_order, parameters, stopped
from vineppo.errors import UserError
from vineppo.seams import Progress
from vineppo.types import Completion, Request, Sampling

TOLERANCE, LOW_PRECISION_TOLERANCE = 1e-3, 0.2
"""Nats a token, of the probe. Rounding alone gives near 1e-5 in float32, 2e-2 in bfloat16."""
SHARED_MEMORY = Path("/dev/shm")
"""Where weights pass to other processes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """What vLLM was started for, and how."""

    skeleton: PreTrainedModel
    """The policy without weights; scores probes with those that vLLM was given."""
    end_ids: tuple[int, ...]
    decode: Decode | None
    context: int
    widening: Widening | None
    in_process: bool
    """Whether vLLM's workers live in this process."""
    sleeps: bool
    low_precision: bool

    @property
    def vocabulary(self) -> int:
        """Tokens the model knows."""
        return self.skeleton.config.get_text_config().vocab_size


class VllmEngine:
    """Made by `vineppo.engines.vllm.start`."""

    def __init__(self, llm: LLM, state: State, model: Model):
        """Give vLLM the policy's weights. Raises UserError where changed weights do not change what is sampled."""
        self._llm, self._model = llm, model
        self._end_ids = frozenset(model.end_ids)
        self._watch = Watch(model.decode)
        self._asleep = False
        self._policy_version = 0
        self._check_that_updates_arrive(state)
        self.load_weights(state, policy_version=0)

    @property
    def policy_version(self) -> int:
        """Of the weights that sample now."""
        return self._policy_version

    def sleep(self) -> None:
        """Give the GPU's memory back; weights wait in the CPU's."""
        if self._model.sleeps and not self._asleep:
            self._llm.sleep(level=1)
            self._asleep = True

    def load_weights(self, state: Mapping[str, Tensor], *, policy_version: int) -> None:
        """Copy new weights in, drop cached prefixes, and ask a probe whether both happened (UserError if not)."""
        self._copy(state)
        self._policy_version = policy_version
        found = probe(self, vocabulary=self._model.vocabulary, context=self._model.context)
        distance = difference(found.engine_logprobs(), found.model_logprobs(self._model.skeleton, state))
        if distance > self._tolerance:
            raise self._disagreement(f"log-probs of policy version {policy_version}", distance, self._tolerance)

    def sample(
        self, requests: Sequence[Request], sampling: Sampling, *, progress: Progress | None = None
    ) -> list[tuple[Completion, ...]]:
        """Sample all requests. Raises UserError for a prefix that leaves no room in the context."""
        self._wake()
        limits = [new_tokens(request, sampling, self._model.context) for request in requests]
        stops = self._watch.of(sampling.stop)
        asked: dict[str, Request] = {}
        answers: dict[str, list[Completion]] = {}
        try:
            for index in in_order(requests):
                together = parameters(requests[index], sampling, limit=limits[index], end_ids=self._model.end_ids)
                for draw, own in enumerate([together] if stops is None else apart(together)):
                    prompt = {"prompt_token_ids": list(requests[index].prefix)}
                    asked[f"{index}.{draw}"] = requests[index]
                    self._llm.llm_engine.add_request(f"{index}.{draw}", prompt, own)
            done, total = 0, sum(request.count for request in requests)
            for name, answer in self._answers(asked, sampling, stops):
                answers[name] = answer
                done += len(answer)
                if progress is not None:
                    progress(done, total)
        finally:  # after an interruption: what is left would be answered to the next caller
            self._llm.llm_engine.abort_request([name for name in asked if name not in answers])
        return [
            tuple(one for draw in range(request.count) for one in answers.get(f"{index}.{draw}", ()))
            for index, request in enumerate(requests)
        ]

    def _answers(
        self, asked: Mapping[str, Request], sampling: Sampling, stops: Stops | None
    ) -> Iterator[tuple[str, list[Completion]]]:
        """Step until every request is answered: its name and its continuations in order."""
        while self._llm.llm_engine.has_unfinished_requests():
            told = self._llm.llm_engine.step()
            ended = set() if stops is None else stopped(told, asked, stops)
            self._llm.llm_engine.abort_request([o.request_id for o in told if o.request_id in ended and not o.finished])
            for output in told:
                stop = output.request_id in ended
                if output.finished or stop:
                    ordered = sorted(output.outputs, key=lambda one: one.index)
                    yield output.request_id, [self._completion(one, sampling, stopped=stop) for one in ordered]

    def _completion(self, output: CompletionOutput, sampling: Sampling, *, stopped: bool) -> Completion:
        return completion(
            output,
            greedy=sampling.temperature == 0,
            ended=stopped or output.token_ids[-1] in self._end_ids,
            policy_version=self._policy_version,
        )

    def _wake(self) -> None:
        if self._asleep:
            torch.cuda.empty_cache()  # what the learner's allocator keeps for itself would be missing here
            self._llm.wake_up()
            self._asleep = False

    # --- weights -----------------------------------------------------------------------------------------------------

    @property
    def _tolerance(self) -> float:
        return LOW_PRECISION_TOLERANCE if self._model.low_precision else TOLERANCE

    def _copy(self, state: State) -> None:
        """Into vLLM's own tensors, then forget what was computed with the old ones."""
        self._wake()
        tensors = state.items() if self._model.widening is None else self._model.widening.weights(state.items())
        if self._model.in_process:
            self._llm.collective_rpc("take_weights", args=(tensors,))
        else:
            with TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.exists() else None) as folder:
                path = Path(folder) / "weights.safetensors"
                save_file({name: tensor.contiguous() for name, tensor in tensors}, path)
                self._llm.collective_rpc("take_weights_from", args=(str(path),))
        if not self._llm.reset_prefix_cache():
            raise RuntimeError("vLLM kept its prefix cache: requests are still running, so weights must not change")

    def _check_that_updates_arrive(self, state: State) -> None:
        """Give other weights, once: in low precision a small update could get lost unnoticed by the probe."""
        other = scaled(state.items(), 1.5)
        self._copy(other)
        found = probe(self, vocabulary=self._model.vocabulary, context=self._model.context)
        predicted = found.model_logprobs(self._model.skeleton, other)
        change = difference(predicted, found.model_logprobs(self._model.skeleton, state))
        distance, limit = difference(found.engine_logprobs(), predicted), max(self._tolerance, change / 2)
        if distance > limit:
            raise self._disagreement("after a change of all weights, log-probs", distance, limit)

    def _disagreement(self, what: str, distance: float, limit: float) -> UserError:
        kind = type(self._model.skeleton).__name__
        return UserError(
            f"engine vllm does not sample from the policy: {what} differ from the trainer's by {distance:.1e} nats a "
            f"token, more than {limit:.1e}; vLLM computes {kind} otherwise, or its weights or cache stayed old. "
            "Take engine=torch; to see whether rounding is the cause, engine.dtype=float32"
        )
