"""Recorded passes: the same as plain ones, from memory that stays where it is, recorded once for each shape."""

import warnings
from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedModel

from engines.tapes import TapeCapture
from tiny_models import tiny_kind, tiny_model
from vineppo.engines.torch.buckets import Shape, bucket
from vineppo.engines.torch.buffers import Stretch
from vineppo.engines.torch.engine import TorchEngine
from vineppo.engines.torch.recordings import Capture, CudaCapture, Recordings, choose_capture
from vineppo.errors import UserError
from vineppo.types import Completion, Request, Sampling

END = 1
PROMPTS = ((2, 5, 7), (2, 9), (2, 3, 4, 5, 6, 7, 8, 9, 10, 11), (12,))
SAMPLING = Sampling(temperature=0.8, top_p=0.95, max_new_tokens=14)
Groups = list[tuple[Completion, ...]]


def engine_of(model: PreTrainedModel, capture: Capture | None, **settings: int) -> TorchEngine:
    return TorchEngine(
        model, end_ids=(END,), context=64, capture=capture, **{"rows": 24, "memory_bytes": 1 << 33, **settings}
    )


def recordings_of(engine: TorchEngine) -> Recordings:
    assert engine._recordings is not None
    return engine._recordings


def sample_trunks_and_branches(engine: TorchEngine, sampling: Sampling = SAMPLING) -> Groups:
    """More rows than fit side by side, so that some join late, of trajectories and of what branches off them."""
    requests = [Request(prefix=prompt, count=5, seed=i, branches=True) for i, prompt in enumerate(PROMPTS)]
    groups = engine.sample(requests, sampling)
    trunks = [r.prefix + c.token_ids for r, group in zip(requests, groups, strict=True) for c in group[:2]]
    branches = [Request(prefix=trunk[:cut], count=2, seed=cut) for trunk in trunks for cut in range(3, len(trunk), 5)]
    return [*groups, *engine.sample(branches, sampling)]


def assert_same(one: Groups, other: Groups) -> None:
    assert [[c.token_ids for c in group] for group in one] == [[c.token_ids for c in group] for group in other]
    assert [[c.finish for c in group] for group in one] == [[c.finish for c in group] for group in other]
    for mine, theirs in zip((c for g in one for c in g), (c for g in other for c in g), strict=True):
        torch.testing.assert_close(torch.tensor(mine.logprobs), torch.tensor(theirs.logprobs), atol=1e-4, rtol=1e-4)


# --- shapes ------------------------------------------------------------------------------------------------------


def test_buckets_are_powers_of_two_and_half_as_much_again():
    assert [bucket(n) for n in range(1, 14)] == [1, 2, 3, 4, 6, 6, 8, 8, 12, 12, 12, 12, 16]
    assert bucket(3, least=32) == 32
    assert bucket(33, least=32) == 48


def test_large_buckets_are_finer():
    assert [bucket(n) for n in (193, 256, 257, 320, 321, 540, 641)] == [256, 256, 320, 320, 384, 640, 768]


@given(st.integers(1, 10**7))
def test_a_bucket_is_less_than_half_as_much_again(number: int):
    most = 1.5 if number <= 256 else 1.25
    assert number <= bucket(number) < most * number or number == bucket(number)
    assert bucket(bucket(number)) == bucket(number)


def test_a_shape_holds_what_it_is_around():
    shape = Shape.around(groups=5, slots=3, trunk=70, rows=9, columns=33)
    assert shape == Shape(groups=6, slots=4, trunk=96, rows=12, columns=48)
    assert shape.tokens == 6 * 96 + 12 * 48


# --- the same as plain passes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama-gqa", "mistral-sliding", "gemma2", "gpt2"])
def test_replayed_passes_sample_what_plain_ones_do(name: str):
    model = tiny_model(name)
    engine = engine_of(model, TapeCapture())
    recorded = sample_trunks_and_branches(engine)
    assert_same(recorded, sample_trunks_and_branches(engine_of(model, None)))
    found = recordings_of(engine)
    assert 0 < len(found) <= found.captured
    assert found.replayed > 2 * found.captured, "most passes are replays"


@pytest.mark.parametrize("name", ["deepseek_v3", "gemma4_text sharing"])
def test_latent_and_shared_keys_and_values_are_replayed_too(name: str):
    model = tiny_kind(name)
    engine, sampling = engine_of(model, TapeCapture()), Sampling(max_new_tokens=12)
    assert_same(
        sample_trunks_and_branches(engine, sampling), sample_trunks_and_branches(engine_of(model, None), sampling)
    )


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0, max_new_tokens=16),
        Sampling(top_k=3, max_new_tokens=16),
        Sampling(temperature=1.3, top_k=5, top_p=0.8, max_new_tokens=16),
    ],
)
def test_the_law_is_part_of_what_is_recorded(sampling: Sampling):
    model = tiny_model("llama-gqa")
    engine = engine_of(model, TapeCapture())
    sample_trunks_and_branches(engine)  # under another law, with the same shapes
    assert_same(
        sample_trunks_and_branches(engine, sampling), sample_trunks_and_branches(engine_of(model, None), sampling)
    )


@pytest.mark.parametrize("settings", [{"memory_bytes": 60_000}, {"memory_bytes": 1}, {"rows": 3}])
def test_scarce_memory_and_rows_given_back_change_nothing(settings: dict[str, int]):
    model, sampling = tiny_model("llama-gqa"), Sampling(max_new_tokens=20)
    requests = [Request(prefix=(2, 3 + i, 4, 5), count=3, seed=i) for i in range(4)]
    plenty = engine_of(model, None).sample(requests, sampling)
    assert_same(engine_of(model, TapeCapture(), **settings).sample(requests, sampling), plenty)


# --- recorded once -----------------------------------------------------------------------------------------------


def test_what_was_recorded_serves_the_next_time():
    engine = engine_of(tiny_model("llama"), TapeCapture())
    found, captured, groups = recordings_of(engine), [0], []
    for version in range(4):  # memory grows in the first, what came once warms up in the second and is recorded next
        engine.load_weights({}, policy_version=version)  # the same, but nothing cached under the old ones may be used
        groups.append(sample_trunks_and_branches(engine))
        captured.append(found.captured)
    assert captured[1] > 0
    assert captured[4] == captured[3]
    assert_same(groups[3], groups[0])


def test_a_budget_that_counts_tokens_does_not_drop_what_was_recorded():
    """The stretch holds far more numbers than the budget has tokens."""
    engine = engine_of(tiny_model("llama"), TapeCapture(), memory_bytes=3 << 26)
    found = recordings_of(engine)
    for _ in range(2):
        sample_trunks_and_branches(engine)
    memory = found.rows.memory
    assert memory is not None
    assert engine._measures is not None
    assert len(memory) > engine._measures.tokens
    sample_trunks_and_branches(engine)
    assert found.rows.memory is memory


def test_only_the_last_used_are_kept():
    engine = engine_of(tiny_model("llama"), TapeCapture(), memory_bytes=1 << 27)  # room for two recordings
    plain = sample_trunks_and_branches(engine_of(tiny_model("llama"), None))
    assert_same(sample_trunks_and_branches(engine), plain)
    found = recordings_of(engine)
    assert found.most == 2
    assert len(found) <= 2 < found.captured


def test_a_shape_that_comes_once_is_not_recorded():
    engine = engine_of(tiny_model("llama"), TapeCapture())
    engine.sample([Request(prefix=(2, 5), count=2, seed=0)], Sampling(max_new_tokens=2))
    assert (recordings_of(engine).captured, recordings_of(engine).replayed) == (0, 0)


def test_memory_that_moves_forgets_what_was_recorded():
    capture = TapeCapture()
    model = tiny_model("llama")
    engine = engine_of(model, capture)
    few = [Request(prefix=(2, 5), count=2, seed=0)]
    engine.sample(few, SAMPLING)
    before, forgotten = recordings_of(engine).rows.length, capture.forgotten
    assert len(recordings_of(engine))
    assert_same(sample_trunks_and_branches(engine), sample_trunks_and_branches(engine_of(model, None)))
    assert recordings_of(engine).rows.length > before
    assert capture.forgotten > forgotten
    assert_same(engine.sample(few, SAMPLING), engine_of(model, None).sample(few, SAMPLING))


def test_a_stretch_stays_unless_more_is_needed_or_less_is_allowed():
    stretch = Stretch()
    assert not stretch.suits(1)
    stretch.renew(10, torch.ones(1, 1, 3, 1, dtype=torch.bfloat16))
    assert stretch.memory is not None
    assert (stretch.length, stretch.memory.dtype, float(stretch.memory.sum())) == (10, torch.bfloat16, 0)
    assert stretch.suits(4)
    assert stretch.suits(4, most=10)
    assert not stretch.suits(4, most=9)
    assert stretch.suits(10, most=9), "what must be held is held"
    assert not stretch.suits(11, most=20)


# --- weights -----------------------------------------------------------------------------------------------------


def test_an_update_in_place_is_seen_by_what_was_recorded():
    model = tiny_model("llama")
    engine = engine_of(model, TapeCapture())
    sample_trunks_and_branches(engine)
    changed = {name: weight * 1.2 for name, weight in model.state_dict().items()}
    captured = recordings_of(engine).captured
    assert captured
    engine.load_weights(changed, policy_version=1)
    after = sample_trunks_and_branches(engine)
    assert recordings_of(engine).replayed
    assert len(recordings_of(engine)) >= captured, "nothing was forgotten"
    assert_same(after, sample_trunks_and_branches(engine_of(model, None)))


def test_weights_in_other_memory_are_recorded_anew():
    model = tiny_model("llama")
    engine = engine_of(model, TapeCapture())
    sample_trunks_and_branches(engine)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.data = parameter.data * 1.2
    engine.load_weights({}, policy_version=1)
    assert_same(sample_trunks_and_branches(engine), sample_trunks_and_branches(engine_of(model, None)))


# --- what cannot be recorded -------------------------------------------------------------------------------------


class Refusing(TapeCapture):
    def record(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        raise RuntimeError("operation not permitted when stream is capturing")


def test_without_a_recording_it_goes_on_and_says_so_once(capsys: pytest.CaptureFixture[str]):
    model = tiny_model("llama")
    engine = engine_of(model, Refusing())
    assert_same(sample_trunks_and_branches(engine), sample_trunks_and_branches(engine_of(model, None)))
    said = capsys.readouterr().err
    assert said.count("vineppo:") == 1
    assert "LlamaForCausalLM cannot be recorded" in said
    assert "operation not permitted" in said
    assert "engine.compile=false" in said
    assert recordings_of(engine).captured == 0


def test_a_pass_that_asks_the_host_is_found_when_it_is_recorded(capsys: pytest.CaptureFixture[str]):
    model = tiny_model("llama")
    layer = model.model.layers[1].mlp  # pyright: ignore
    layer.register_forward_hook(lambda module, given, out: out if float(out.sum()) > -1e9 else 2 * out)
    engine = engine_of(model, TapeCapture())
    assert_same(sample_trunks_and_branches(engine), sample_trunks_and_branches(engine_of(model, None)))
    assert "waits for the host" in capsys.readouterr().err


def test_recording_is_for_gpus():
    cpu = torch.device("cpu")
    assert choose_capture(cpu, None) is None
    assert choose_capture(cpu, False) is None
    assert choose_capture(torch.device("cuda"), False) is None
    with pytest.raises(UserError, match=r"engine\.compile: true, but the policy is on cpu"):
        choose_capture(cpu, True)


class FakeCuda:
    """What `CudaCapture` asks of torch.cuda, in the order it does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.calls: list[str] = []
        self.mode, self.pools = 1, 0
        cuda, outer = torch.cuda, self

        class Stream:
            def __init__(self, device: object = None):
                self.name = "side" if device is not None else "current"

            def wait_stream(self, other: "Stream") -> None:
                outer.calls.append(f"{self.name} waits for {other.name}")

        class Graph:
            def capture_begin(self, pool: object, capture_error_mode: str) -> None:
                outer.calls.append(f"begin in pool {pool}, {capture_error_mode}")

            def capture_end(self) -> None:
                outer.calls.append("end")

            def replay(self) -> None:
                outer.calls.append("replay")

        def pool() -> int:
            self.pools += 1
            return self.pools

        def set_mode(mode: object) -> None:
            if mode == "error":
                warnings.warn("Synchronization debug mode is a prototype feature and ...", UserWarning, stacklevel=1)
            self.mode = mode

        monkeypatch.setattr(cuda, "Stream", Stream)
        monkeypatch.setattr(cuda, "CUDAGraph", Graph)
        monkeypatch.setattr(cuda, "graph_pool_handle", pool)
        monkeypatch.setattr(cuda, "current_stream", Stream)
        monkeypatch.setattr(cuda, "stream", lambda stream: nullcontext())
        monkeypatch.setattr(cuda, "get_sync_debug_mode", lambda: self.mode)
        monkeypatch.setattr(cuda, "set_sync_debug_mode", set_mode)


def test_a_cuda_graph_is_recorded_after_a_pass_that_may_not_wait(monkeypatch: pytest.MonkeyPatch):
    cuda = FakeCuda(monkeypatch)
    capture, result = CudaCapture(torch.device("cuda")), torch.zeros(1)

    def work() -> Tensor:
        cuda.calls.append(f"work, waiting is {cuda.mode}")
        return result

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that torch warns is nothing a user should read
        replay = capture.record(work)
    assert replay() is result
    assert replay() is result
    assert cuda.calls == [
        "work, waiting is error",
        "side waits for current",
        "begin in pool 1, thread_local",
        "work, waiting is 1",
        "end",
        "current waits for side",
        "replay",
        "replay",
    ]
    capture.forget()
    capture.record(work)
    assert "begin in pool 2, thread_local" in cuda.calls, "a pool whose graphs are gone is not used again"


def test_what_waits_is_never_begun_to_be_recorded(monkeypatch: pytest.MonkeyPatch):
    cuda = FakeCuda(monkeypatch)

    def work() -> Tensor:
        raise RuntimeError("called a synchronizing CUDA operation")

    with pytest.raises(RuntimeError, match="synchronizing"):
        CudaCapture(torch.device("cuda")).record(work)
    assert cuda.calls == []
    assert cuda.mode == 1, "as it was"
