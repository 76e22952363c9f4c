"""What the vLLM engine has of its own; what it shares with the others is in `test_conformance`."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from conformance import END, VOCABULARY, Subject, assert_plain, make_subject, tied_model
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel

from tiny_models import SHAPE, tiny_model
from vineppo.config.load import load_config
from vineppo.engines.agreement import difference, probe
from vineppo.engines.torch.settings import TorchEngineConfig
from vineppo.engines.vllm.heads import Widening, find_widening, head_size
from vineppo.engines.vllm.settings import VllmEngineConfig
from vineppo.engines.vllm.start import Settings, start_vllm
from vineppo.errors import UserError
from vineppo.policy import load_policy
from vineppo.seams import Engine
from vineppo.types import Request, Sampling

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = find_spec("vllm") is not None
needs_vllm = pytest.mark.skipif(not INSTALLED, reason="vLLM is not installed here: make test-vllm runs it")
SETTINGS = Settings(
    rows=8,
    dtype="auto",
    context=64,
    gpu_memory_share=0.1,
    memory_bytes=1 << 24,
    eager=True,
    tensor_parallel=1,
    sleep=True,
)

# --- without vLLM ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(INSTALLED, reason="vLLM is installed here")
def test_where_vllm_is_missing_the_error_says_what_to_install():
    with pytest.raises(UserError, match=r"pip install 'vineppo\[vllm\]'"):
        start_vllm(tiny_model("llama"), end_ids=(END,), settings=SETTINGS)


def test_the_engine_is_chosen_by_name():
    assert isinstance(load_config(None).engine, TorchEngineConfig)
    chosen = load_config(None, ["engine=vllm", "engine.rows=7"]).engine
    assert isinstance(chosen, VllmEngineConfig)
    assert chosen.rows == 7
    with pytest.raises(UserError, match="it belongs to engine=vllm"):
        load_config(None, ["engine.gpu_memory_share=0.3"])


def test_a_widened_head_gives_the_same_scores_and_outputs():
    torch.manual_seed(0)
    heads, size, width, hidden = 3, 6, 8, 10
    widened = Widening(size=size, width=width)
    own = {name: torch.randn(heads * size, hidden) for name in ("q_proj", "k_proj", "v_proj")}
    own["o_proj"] = torch.randn(hidden, heads * size)
    wide = dict(widened.weights((f"layers.0.self_attn.{name}.weight", tensor) for name, tensor in own.items()))

    def attend(weights: list[torch.Tensor], scale: float) -> torch.Tensor:
        queries, keys, values = ((weight @ states).unflatten(0, (heads, -1)) for weight in weights[:3])
        attention = (torch.einsum("hdt,hds->hts", queries, keys) * scale).softmax(-1)
        return weights[3] @ torch.einsum("hts,hds->hdt", attention, values).flatten(0, 1)

    states = torch.randn(hidden, 5)
    torch.testing.assert_close(
        attend(list(wide.values()), width**-0.5), attend(list(own.values()), size**-0.5), atol=1e-5, rtol=1e-5
    )


def test_a_widened_bias_moves_with_its_head():
    widened = dict(Widening(size=2, width=3).weights([("k_proj.bias", torch.tensor([1.0, 2, 3, 4]))]))
    assert widened["k_proj.bias"].tolist() == [1, 2, 0, 3, 4, 0]


def test_heads_are_widened_to_the_next_size_that_fits_and_only_where_that_is_exact():
    config = LlamaConfig(hidden_size=96, num_attention_heads=4)
    assert head_size(config) == 24
    assert find_widening(config, [32, 64]) == Widening(size=24, width=32)
    assert find_widening(config, [24, 32]) is None
    with pytest.raises(UserError, match=r"24 numbers, but .* takes only 16; .* take engine=torch"):
        find_widening(config, [16])
    with pytest.raises(UserError, match="not for qwen3"):
        find_widening(tiny_model("qwen3").config, [32])


# --- with vLLM ---------------------------------------------------------------------------------------------------


ALIVE: list[Engine] = []
"""Where one vLLM of several in a process goes, it takes along what the others need: none goes before the end."""


def started(model: PreTrainedModel, settings: Settings, *, end_ids: tuple[int, ...] = (END,)) -> Engine:
    ALIVE.append(start_vllm(model, end_ids=end_ids, settings=settings))
    return ALIVE[-1]


@pytest.fixture
def tied() -> Iterator[Subject]:
    subject = make_subject("vllm-tied")
    yield subject
    subject.restore()


@needs_vllm
def test_other_engines_never_import_it():
    code = "import vineppo.trainer, vineppo.cli, sys; sys.exit('vllm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def changed_once_named(subject: Subject, factor: float) -> dict[str, torch.Tensor]:
    """New weights in which the matrix at both ends has one name, as in a safetensors file."""
    return {name: factor * tensor for name, tensor in subject.start.items() if name != "lm_head.weight"}


def test_a_matrix_at_both_ends_may_have_one_name(tied: Subject):
    state = changed_once_named(tied, 1.1)
    tied.model.load_state_dict(state, strict=False)
    tied.engine.load_weights(state, policy_version=1)
    request = Request(prefix=(2, 5, 7), count=5, seed=0)
    (group,) = tied.engine.sample([request], Sampling(max_new_tokens=9))
    assert_plain(tied.model, request, group)


def test_an_output_layer_that_keeps_the_old_weights_is_noticed(tied: Subject, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vineppo.engines.vllm.worker.repack_tied_head", lambda model: None)
    with pytest.raises(UserError, match=r"log-probs of policy version 1 differ .* engine=torch"):
        tied.engine.load_weights(changed_once_named(tied, 1.1), policy_version=1)


def test_weights_that_do_not_arrive_are_noticed(tied: Subject, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tied.engine._llm, "collective_rpc", lambda *called, **with_what: None)  # pyright: ignore
    with pytest.raises(UserError, match="log-probs of policy version 1 differ"):
        tied.change(1.01, policy_version=1)


def test_a_prefix_cached_under_old_weights_is_noticed(tied: Subject, monkeypatch: pytest.MonkeyPatch):
    tied.change(1.01, policy_version=1)
    monkeypatch.setattr(tied.engine._llm, "reset_prefix_cache", lambda: True)  # pyright: ignore
    with pytest.raises(UserError, match="log-probs of policy version 2 differ"):
        tied.change(1.1, policy_version=2)


def test_an_interrupted_wave_leaves_nothing_behind(tied: Subject):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    requests = [Request(prefix=(2, 5, 7), count=2, seed=seed) for seed in range(100)]
    expected = tied.engine.sample(requests[:3], Sampling(max_new_tokens=9))
    with pytest.raises(KeyboardInterrupt):
        tied.engine.sample(requests, Sampling(max_new_tokens=9), progress=interrupt)
    assert tied.engine.sample(requests[:3], Sampling(max_new_tokens=9)) == expected


def test_prefixes_of_a_trajectory_are_asked_one_after_the_other_and_find_its_whole_pages(
    tied: Subject, monkeypatch: pytest.MonkeyPatch
):
    from vineppo.engines.vllm.requests import in_order
    from vineppo.engines.vllm.start import PAGE_CPU

    trajectories = [(first, 9, 4, *([first] * 45)) for first in (11, 12)]
    requests = [
        Request(prefix=trajectory[:length], count=1, seed=length)
        for length in (PAGE_CPU + 9, PAGE_CPU + 1, PAGE_CPU + 5)
        for trajectory in trajectories
    ]
    asked = [requests[index].prefix for index in in_order(requests)]
    assert [(prefix[0], len(prefix) - PAGE_CPU) for prefix in asked] == [(a, b) for a in (11, 12) for b in (1, 5, 9)]
    vllm = tied.engine._llm.llm_engine  # pyright: ignore[reportAttributeAccessIssue]
    step, found = vllm.step, {}

    def recorded():
        outputs = step()
        found.update({tuple(output.prompt_token_ids): output.num_cached_tokens for output in outputs})
        return outputs

    monkeypatch.setattr(vllm, "step", recorded)
    tied.engine.sample(requests, Sampling(max_new_tokens=2))
    assert [found[prefix] for prefix in asked] == [0, PAGE_CPU, PAGE_CPU] * 2


@needs_vllm
def test_heads_that_cannot_be_widened_are_refused_before_vllm_starts():
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(LlamaConfig(**SHAPE | {"hidden_size": 4096}))
    with pytest.raises(UserError, match=r"1024 numbers, .* take engine=torch"):
        start_vllm(model, end_ids=(END,), settings=SETTINGS)


@needs_vllm
def test_what_vllm_refuses_is_told_with_a_remedy(tmp_path: Path):
    words = ["configs/arithmetic.yaml", "engine=vllm", "engine.memory_gib=1e-6", f"run.dir={tmp_path / 'run'}"]
    ran = subprocess.run(
        [sys.executable, "-m", "vineppo", "train", *words], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 2
    assert "engine vllm cannot be started for LlamaForCausalLM" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "run").exists()


@needs_vllm
def test_a_run_ends_without_a_complaint(tmp_path: Path):
    words = ["task.test_questions=8", "sampling.max_new_tokens=20", "training={iterations: 1, questions: 2}"]
    words += ["learner={minibatch: 4, micro_batch: 4}", "engine=vllm", "engine.rows=8", f"run.dir={tmp_path / 'run'}"]
    ran = subprocess.run(
        [sys.executable, "-m", "vineppo", "train", *words], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr + ran.stdout
    assert (tmp_path / "run" / "summary.json").exists()


@needs_vllm
def test_the_bundled_policy_has_the_same_law_in_it():
    policy = load_policy("bundled:arithmetic", device="cpu")
    engine = started(policy.model, SETTINGS, end_ids=policy.end_ids)
    request = Request(prefix=policy.encode("40+9+5="), count=20, seed=0)
    (group,) = engine.sample([request], Sampling(max_new_tokens=40))
    assert_plain(policy.model, request, group)


@needs_vllm
def test_bfloat16_stays_near_the_float32_trainer():
    model = tied_model()
    engine = started(model, replace(SETTINGS, dtype="bfloat16"))
    found = probe(engine, vocabulary=VOCABULARY, context=64)
    distance = difference(found.engine_logprobs(), found.model_logprobs(model, model.state_dict()))
    assert 0 < distance < 0.1


@needs_vllm
def test_widened_heads_in_bfloat16_are_refused_before_they_end_the_process():
    policy = load_policy("bundled:arithmetic", device="cpu", dtype=torch.bfloat16)
    with pytest.raises(UserError, match=r"heads of 24 numbers .* engine\.dtype=float32"):
        start_vllm(policy.model, end_ids=policy.end_ids, settings=SETTINGS)
    engine = started(policy.model, replace(SETTINGS, dtype="float32"), end_ids=policy.end_ids)
    request = Request(prefix=policy.encode("40+9+5="), count=20, seed=0)
    (group,) = engine.sample([request], Sampling(max_new_tokens=40))
    assert_plain(policy.model.float(), request, group)
