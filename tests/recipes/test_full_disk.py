"""A disk that is full wherever a run writes: told in a line, nothing half-written, and the run comes to its end."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from small_runs import QUICK, metrics_of, without_time

from vineppo import Trainer, load_config
from vineppo.errors import UserError

SETTINGS = [
    *QUICK,
    "credit=grpo",
    "training={iterations: 2, questions: 2, trajectories: 2}",
    "learner={minibatch: 4, micro_batch: 4}",
    "sampling.max_new_tokens=12",
    "evaluation={every: 2, questions: 2}",
]


def full_at(end: str, real: Callable[[int], None]) -> Callable[[int], None]:
    """No room for the file whose path ends so."""

    def fsync(handle: int) -> None:
        if os.readlink(f"/proc/self/fd/{handle}").endswith(end):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    return fsync


def halves(run: Path) -> list[Path]:
    return [path for path in run.rglob("*") if path.name.endswith(".partial")]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the file of a handle is asked of Linux")
def test_a_disk_that_fills_up_everywhere_in_turn_costs_nothing_complete(tmp_path: Path):
    run = tmp_path / "run"

    def attempt() -> bool:
        config = load_config(None, [*SETTINGS, f"run.dir={run}"])
        resume = any((run / "checkpoints").glob("0*"))
        return Trainer(config, resume=resume).train().finished

    for end, saved in (
        ("provenance.json.partial", None),
        ("metrics.jsonl", None),
        ("report.html.partial", None),
        ("trajectories/000001.jsonl.partial", 1),
        ("checkpoints/000002.partial/optimizers.pt", 1),
        ("policy.partial/model.safetensors", 2),
        ("summary.json.partial", 2),
    ):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(os, "fsync", full_at(end, os.fsync))
            with pytest.raises(UserError, match=r"does not fit on the disk \(no space left\)") as caught:
                attempt()
        assert Path(end).parts[0].removesuffix(".partial") in str(caught.value)
        assert halves(run) == []
        found = sorted(path.name for path in (run / "checkpoints").glob("*"))
        assert found[-1:] == ([] if saved is None else [f"{saved:06d}"]), end
    assert attempt()
    assert (run / "policy" / "model.safetensors").exists()
    whole = load_config(None, [*SETTINGS, f"run.dir={tmp_path / 'whole'}"])
    Trainer(whole).train()
    assert without_time(metrics_of(run)) == without_time(metrics_of(tmp_path / "whole"))
