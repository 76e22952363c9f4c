"""vLLM as TRL has it: a stand-in for what we tell it and make of its answers, and the real one where it is installed.

The real one needs three things of a test on the CPU that TRL does not ask for: float32 (it would round to bfloat16), no
compiling, and another way to hand over weights (TRL's takes each parameter's loader, which the CPU build has dropped
once it packed the weights).
"""

from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from coin_world import ADVANTAGES, coin_model, tokenizer

from vineppo.credit.coupled_assigner import CoupledCredit
from vineppo.engines.vllm.start import ENVIRONMENT
from vineppo.integrations.trl.engine import TrlEngine
from vineppo.types import Completion, Finish, Request, Sampling

Make = Callable[..., Any]
INSTALLED = find_spec("vllm") is not None
needs_vllm = pytest.mark.skipif(not INSTALLED, reason="vLLM is not installed here: make test-vllm runs it")
WORDS = tokenizer()
HALF = -0.6931472


def ids(text: str) -> tuple[int, ...]:
    return tuple(WORDS(text)["input_ids"])


class StandIn:
    """TRL's VLLMGeneration, as far as a trainer sees it: writes `+7` and the end, but not beyond its limit."""

    def __init__(self) -> None:
        self.max_completion_length = 8
        self.calls: list[tuple[int, int, int]] = []

    def sync_weights(self) -> None:
        pass

    def generate(self, prompts: list[list[int]], images: None, num_generations: int, profiler: object) -> tuple:
        self.calls.append((len(prompts), num_generations, self.max_completion_length))
        written = [*ids("+7"), WORDS.eos_token_id][: self.max_completion_length]
        told = [[None], [HALF, -9.0], [0.0]][: len(written)]  # vLLM's nan, a likelier token besides, the end
        return prompts, [written] * len(prompts), [told] * len(prompts), None


def test_vllm_is_asked_once_for_all_with_the_longest_limit(make: Make):
    trainer = make()
    trainer.use_vllm, trainer.vllm_generation, trainer._last_loaded_step = True, StandIn(), -1
    engine = TrlEngine(trainer, trainer._law, trainer._processes, together=1)
    asked = [
        Request(prefix=ids("1=?"), count=2, seed=1, forbidden_first=ids("5"), max_new_tokens=3),
        Request(prefix=ids("1=?3"), count=1, seed=2, max_new_tokens=2),
        Request(prefix=ids("1=?3+"), count=1, seed=2, max_new_tokens=1, stratified=True),
    ]
    left, short, last = engine.sample(asked, Sampling(max_new_tokens=8))
    assert trainer.vllm_generation.calls == [(3, 1, 2)]  # the last had room for its first token alone
    assert trainer.vllm_generation.max_completion_length == 8
    assert left[0].token_ids == ids("3+7")
    assert left[0].finish is Finish.TRUNCATED
    assert left[0].logprobs[0] == pytest.approx(0, abs=1e-5)  # of the trained model, without 5
    assert left[0].logprobs[1] != left[0].logprobs[1]  # what vLLM could not tell is not made up
    assert left[0].logprobs[2] == HALF
    assert short[0].token_ids == ids("+7")
    assert len(last[0].token_ids) == 1


# --- the real one ------------------------------------------------------------------------------------------------


@pytest.fixture
def trained(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A trainer whose vLLM is real."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    from trl.generation import vllm_generation  # pyright: ignore[reportMissingImports]

    fit_for_cpu = {
        "dtype": "float32",
        "enforce_eager": True,
        "kv_cache_memory_bytes": 2**26,
        "block_size": 32,
        "worker_extension_cls": "vineppo.engines.vllm.worker.WeightUpdates",
    }
    monkeypatch.setattr(vllm_generation, "LLM", partial(vllm_generation.LLM, **fit_for_cpu))
    coin_model().save_pretrained(tmp_path / "model")
    WORDS.save_pretrained(tmp_path / "model")
    vllm = {"use_vllm": True, "vllm_mode": "colocate", "vllm_max_model_length": 64}
    trainer = make(
        CoupledCredit(rollouts=9, normalise="none"),
        more={"model": str(tmp_path / "model")},
        num_generations=16,
        per_device_train_batch_size=16,
        max_steps=2,
        **vllm,
    )
    llm = trainer.vllm_generation.llm

    def hand_over() -> None:
        llm.collective_rpc("take_weights", args=(list(trainer.model.state_dict().items()),))
        assert llm.reset_prefix_cache()

    monkeypatch.setattr(trainer.vllm_generation, "sync_weights", hand_over)
    return trainer


@needs_vllm
def test_the_real_vllm_samples_for_trl_and_for_us(trained: Any):
    """One start for all: it takes half a minute."""
    engine = TrlEngine(trained, trained._law, trained._processes, together=None)
    asked = [
        Request(prefix=ids("1=?"), count=3, seed=1, forbidden_first=ids("3"), stratified=True),
        Request(prefix=ids("1=?3"), count=2, seed=2, max_new_tokens=1),
        Request(prefix=ids("1=?"), count=8, seed=3),
    ]
    left, short, free = engine.sample(asked, Sampling(max_new_tokens=8))
    assert {text_of(own) for own in left} == {"5-"}
    assert [(own.token_ids, own.finish) for own in short] == [(ids("+"), Finish.TRUNCATED)] * 2
    for own in free:
        assert own.logprobs == pytest.approx([0.0 if token in NO_CHOICE else HALF for token in own.token_ids], abs=1e-4)
    advantages_are_known(trained)
    trained.train()
    log = trained.state.log_history
    assert log[0]["credit/advantage_std"] > 0
    assert log[1]["sampling/sampling_logp_difference/max"] < 1e-4  # the law that credit saw is that of the model


NO_CHOICE = {*ids("+"), *ids("-"), WORDS.eos_token_id}


def text_of(completion: Completion) -> str:
    return WORDS.decode(completion.token_ids, skip_special_tokens=True)


def advantages_are_known(trainer: Any) -> None:
    trainer.model.train()
    rows: Sequence[dict[str, str]] = [{"prompt": "1=?", "answer": "7"}] * 16
    batch = trainer._generate_and_score_completions(list(rows))
    texts = WORDS.batch_decode(batch["completion_ids"], skip_special_tokens=True)
    assert set(texts) == set(ADVANTAGES)
    for text, advantages in zip(texts, batch["advantages"], strict=True):
        assert advantages[: len(ADVANTAGES[text])].tolist() == pytest.approx(ADVANTAGES[text], abs=1e-4)
    assert torch.equal(batch["advantages"] != 0, (batch["advantages"] != 0) & batch["completion_mask"].bool())
