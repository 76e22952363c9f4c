"""What processes tell each other, and what a single one needs nobody for."""

from pathlib import Path

import pytest

from together import together
from vineppo.errors import ProcessLostError, UserError
from vineppo.processes import ALONE, Processes, start_processes

LAUNCH_FILES = Path(__file__).resolve().parents[2] / "configs/accelerate"


def test_alone_everything_is_what_it_was():
    assert ALONE.is_main
    assert ALONE.gather(7) == [7]
    assert ALONE.sum({"a": 0.1}) == {"a": 0.1}
    assert ALONE.from_main("x") == "x"
    assert not ALONE.any(False)
    ALONE.check_same("anything", what="it")


def test_sums_are_the_same_to_the_bit_on_all_processes():
    own = [0.1, 1e16, -1e16]
    assert together(3, lambda p: p.sum({"a": own[p.rank], "b": 1.0})) == [{"a": 0.1, "b": 3.0}] * 3


def test_any_process_is_enough():
    assert together(3, lambda p: p.any(p.rank == 2)) == [True] * 3
    assert together(3, lambda p: p.from_main(p.rank)) == [0] * 3


def test_processes_that_differ_stop():
    def work(own: Processes) -> str:
        with pytest.raises(RuntimeError, match="credits differ between the 2 processes"):
            own.check_same(f"digest {own.rank}", what="credits")
        return "stopped"

    assert together(2, work) == ["stopped"] * 2


def broken(own: Processes, error: RuntimeError) -> None:
    with own.watched():
        raise error


def test_a_broken_connection_is_told_from_other_errors():
    pair = Processes(rank=1, count=2, timeout=9)
    gone = RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer")
    with pytest.raises(ProcessLostError, match=r"process 1 of 2 .* 9 s \(processes.timeout\).*--resume"):
        broken(pair, gone)
    with pytest.raises(RuntimeError, match="out of memory"):
        broken(pair, RuntimeError("CUDA out of memory"))
    with pytest.raises(RuntimeError, match="gloo"):
        broken(ALONE, gone)


@pytest.mark.parametrize(("name", "kind"), [("ddp", "MULTI_GPU"), ("fsdp2", "FSDP")])
def test_the_launch_files_are_accelerates(name: str, kind: str):
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(LAUNCH_FILES / f"{name}.yaml")).to_dict()
    assert config["distributed_type"] == kind
    assert config["mixed_precision"] == "no"


def test_where_nobody_was_launched_there_is_one_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert start_processes("cpu", timeout=1) == Processes(device="cpu")


def test_several_processes_cannot_share_a_device(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match=r"policy\.device is 'cuda:1'"):
        start_processes("cuda:1", timeout=1)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match=r"policy\.device is 'cuda', which"):
        start_processes("cuda", timeout=1)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("FSDP_VERSION", "1", "fsdp_version to 2"),
        ("FSDP_OFFLOAD_PARAMS", "true", "fsdp_offload_params to false"),
        ("ACCELERATE_MIXED_PRECISION", "bf16", "dtype=bfloat16"),
        ("ACCELERATE_USE_DEEPSPEED", "true", "FSDP2 instead"),
    ],
)
def test_settings_of_the_launch_that_nobody_would_heed_are_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
):
    for name, given in {"WORLD_SIZE": "2", "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", variable: value}.items():
        monkeypatch.setenv(name, given)
    with pytest.raises(UserError, match=message):
        start_processes("cpu", timeout=1)
