"""Engines under test, and the plain forward pass they are compared with.

VINEPPO_TEST_DEVICE=cuda and VINEPPO_TEST_DTYPE=bfloat16 put the embedded engine's model there; the others are left out.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel

from tiny_models import SHAPE, tiny_model
from vineppo.engines.fake import FakeEngine
from vineppo.engines.torch.engine import TorchEngine
from vineppo.engines.torch.law import sampling_logprobs
from vineppo.engines.torch.recordings import choose_capture
from vineppo.seams import Engine
from vineppo.types import Completion, Request, Sampling

END, CONTEXT, VOCABULARY = 1, 64, 13
PLAIN = Sampling()
DEVICE = os.environ.get("VINEPPO_TEST_DEVICE", "cpu")
DTYPE: torch.dtype = getattr(torch, os.environ.get("VINEPPO_TEST_DTYPE", "float32"))
CLOSE = {"float32": 1e-4, "bfloat16": 0.1}[os.environ.get("VINEPPO_TEST_DTYPE", "float32")]
"""How far log-probs may be from those of a plain forward pass."""
TEXTS = ("", "", "a", "b", "ab", "ba", "aab", "c", "é", "bc", " a", "\n", "x")
"""By token id: what ends or pads has none."""
PLACED = "VINEPPO_TEST_DEVICE" in os.environ or "VINEPPO_TEST_DTYPE" in os.environ
ENGINES = ("torch",) if PLACED else ("fake", "torch", "vllm", "vllm-tied")


@dataclass
class Subject:
    """An engine, and the model it is to sample from."""

    engine: Engine
    model: PreTrainedModel
    draws: int
    """Enough for a chi-square test, few enough to be quick."""
    truncates: bool = True
    """False: its law is given, and it applies no temperature and no top-p."""
    limited: bool = True
    """Whether the context ends."""
    start: dict[str, torch.Tensor] = field(init=False)

    def __post_init__(self):
        self.start = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}

    def change(self, factor: float, *, policy_version: int) -> None:
        """Let the model learn, as a trainer would, and hand over its weights."""
        self.load({name: factor * tensor for name, tensor in self.start.items()}, policy_version=policy_version)

    def load(self, state: dict[str, torch.Tensor], *, policy_version: int) -> None:
        self.model.load_state_dict(state)
        self.engine.load_weights(self.model.state_dict(), policy_version=policy_version)

    def restore(self) -> None:
        """As at the start; one vLLM serves all tests."""
        if self.engine.policy_version:
            self.load(self.start, policy_version=0)

    def skip_unless_it_applies(self, sampling: Sampling) -> None:
        if not self.truncates and (sampling.temperature, sampling.top_k, sampling.top_p) != (1, 0, 1):
            pytest.skip("the law of this engine is given as it is")


def decode(token_ids: Sequence[int]) -> str:
    return "".join(TEXTS[token] for token in token_ids)


@cache
def make_subject(name: str) -> Subject:
    """One for all tests: vLLM takes seconds to start."""
    match name:
        case "fake":
            model = tiny_model("llama", sharpness=1.5)
            fake = FakeEngine(live_law(model), end_ids=(END,), decode=decode)
            return Subject(fake, model, 6000, truncates=False, limited=False)
        case "torch":
            model = tiny_model("llama", sharpness=1.5).to(DEVICE, DTYPE)  # pyright: ignore[reportArgumentType]
            capture = choose_capture(model.device, None)
            engine = TorchEngine(model, end_ids=(END,), context=CONTEXT, rows=4096, decode=decode, capture=capture)
            return Subject(engine, model, 8_000)
        case "vllm":  # heads of 8 numbers, which vLLM's attention on the CPU takes only widened
            return vllm_subject(tiny_model("llama", sharpness=1.5))
        case _:  # heads of 32 numbers, which it takes as they are; keys shared by two heads; one matrix at both ends
            return vllm_subject(tied_model())


def vllm_subject(model: PreTrainedModel) -> Subject:
    pytest.importorskip("vllm", reason="vLLM is not installed here: make test-vllm runs these tests where it is")
    from vineppo.engines.vllm.start import Settings, start_vllm

    settings = Settings(
        rows=64,
        dtype="auto",
        context=CONTEXT,
        gpu_memory_share=0.1,
        memory_bytes=1 << 24,
        eager=True,
        tensor_parallel=1,
        sleep=True,
    )
    return Subject(start_vllm(model, end_ids=(END,), settings=settings, decode=decode), model, 3000)


def tied_model() -> PreTrainedModel:
    torch.manual_seed(0)
    shape = SHAPE | {"hidden_size": 128}
    model = AutoModelForCausalLM.from_config(LlamaConfig(**shape, num_key_value_heads=2, tie_word_embeddings=True))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.mul_(3.0)
    return model.float().eval()


def live_law(model: PreTrainedModel) -> Callable[[tuple[int, ...]], list[float]]:
    """The model's own law, forgotten when its weights change."""

    @cache
    @torch.no_grad()
    def law(prefix: tuple[int, ...], weights: float) -> list[float]:
        return model(torch.tensor([prefix]), use_cache=False).logits[0, -1].softmax(-1).tolist()

    return lambda prefix: law(prefix, model.get_output_embeddings().weight[0, 0].item())


# --- what a plain forward pass says ------------------------------------------------------------------------------


@torch.no_grad()
def law_after(
    model: PreTrainedModel, prefix: tuple[int, ...], sampling: Sampling, forbidden: tuple[int, ...] = ()
) -> torch.Tensor:
    """[V] log-probs of the next token."""
    pairs = torch.tensor([[0, token] for token in forbidden]) if forbidden else None
    logits = model(torch.tensor([prefix], device=model.device), use_cache=False).logits[:, -1].cpu()
    return sampling_logprobs(logits, sampling, pairs)[0]


@torch.no_grad()
def plain_law(
    model: PreTrainedModel, request: Request, new: tuple[int, ...], sampling: Sampling = PLAIN
) -> torch.Tensor:
    """[T, V] log-probs of what follows, from one pass without a cache."""
    ids = torch.tensor([request.prefix + new], device=model.device)
    logits = model(ids, use_cache=False).logits[0, len(request.prefix) - 1 : -1].cpu()
    pairs = torch.tensor([[0, token] for token in request.forbidden_first]) if request.forbidden_first else None
    return sampling_logprobs(logits, sampling, pairs)


def plain_logprobs(
    model: PreTrainedModel, request: Request, new: tuple[int, ...], sampling: Sampling = PLAIN
) -> torch.Tensor:
    """[T] log-probs of `new` after the request's prefix."""
    return of_taken(plain_law(model, request, new, sampling), new)


def of_taken(law: torch.Tensor, new: tuple[int, ...]) -> torch.Tensor:
    """[T] of [T, V]: the tokens that came."""
    return law.gather(-1, torch.tensor(new)[:, None]).squeeze(-1)


def assert_plain(
    model: PreTrainedModel, request: Request, group: tuple[Completion, ...], sampling: Sampling = PLAIN
) -> None:
    """Every log-prob is what a plain forward pass gives, to 1e-4 in float32.

    Rounding may let another of two near-equal tokens be the last that top-k or top-p keeps.
    """
    for completion in group:
        found, new = torch.tensor(completion.logprobs).float(), completion.token_ids
        law = plain_law(model, request, new, sampling)
        expected = of_taken(law, new)
        kept = expected.isfinite()
        if not kept.all():
            whole = plain_law(model, request, new, replace(sampling, top_k=0, top_p=1.0))
            last_kept = whole.masked_fill(law.isinf(), torch.inf).amin(-1)
            torch.testing.assert_close(of_taken(whole, new)[~kept], last_kept[~kept], atol=CLOSE, rtol=CLOSE)
        torch.testing.assert_close(found[kept], expected[kept], atol=CLOSE, rtol=CLOSE)


def law_of_two_tokens(
    model: PreTrainedModel, prefix: tuple[int, ...], sampling: Sampling, forbidden: tuple[int, ...]
) -> dict[tuple[int, ...], float]:
    """Probability of each possible completion of up to two tokens."""
    first = law_after(model, prefix, sampling, forbidden).exp()
    law: dict[tuple[int, ...], float] = {}
    for a in range(VOCABULARY):
        if a == END:
            law[(a,)] = float(first[a])
        elif first[a] > 0:
            second = law_after(model, (*prefix, a), sampling).exp()
            law |= {(a, b): float(first[a] * second[b]) for b in range(VOCABULARY)}
    return {tokens: probability for tokens, probability in law.items() if probability > 0}
