"""A run whose engine is a pool, with replicas killed at work, trains as one whose engine is in its own process."""

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue

import psutil
import pytest
import torch
from safetensors.torch import load_file
from small_runs import QUICK, metrics_of, without_time

from vineppo import Trainer, load_config
from vineppo.types import Request, Sampling

pytest.importorskip("ray", reason="the pool needs Ray: pip install 'vineppo[ray]'")

from vineppo.engines.ray_pool.crew import RayCrew


class Killer(threading.Thread):
    """Kills the first replica that is given work, as soon as it is at it."""

    def __init__(self):
        super().__init__(daemon=True)
        self.given: SimpleQueue[int] = SimpleQueue()
        """Processes of replicas that were given work."""

    def run(self) -> None:
        victim = psutil.Process(self.given.get())
        while not " ".join(victim.cmdline()).startswith("ray::Replica.sample"):
            time.sleep(0.001)
        victim.kill()


@pytest.mark.slow
def test_killed_replicas_do_not_show_in_what_is_learned(tmp_path: Path, capfd, monkeypatch: pytest.MonkeyPatch):
    settings = [*QUICK, "credit=vine", "training.iterations=2", "evaluation.every=0"]
    Trainer(load_config(None, [*settings, f"run.dir={tmp_path / 'one'}"])).train()
    killer, send = Killer(), RayCrew.send

    def tell_and_send(crew: RayCrew, replica: int, requests: Sequence[Request], sampling: Sampling) -> None:
        send(crew, replica, requests, sampling)
        killer.given.put(crew.processes[replica])

    monkeypatch.setattr(RayCrew, "send", tell_and_send)
    killer.start()
    pool = ["engine.pool={replicas: 2, cpus: 0.5}", f"run.dir={tmp_path / 'pool'}"]
    Trainer(load_config(None, [*settings, *pool])).train()
    assert not killer.is_alive()
    assert "died and is started again" in capfd.readouterr().err
    memory = json.loads((tmp_path / "pool" / "engine_memory.json").read_text())
    assert len(memory) == 2
    assert 0 < sum(memory) < psutil.virtual_memory().total / 2, "they share what is free"
    one, several = (without_time(metrics_of(tmp_path / name)) for name in ("one", "pool"))
    for line, other in zip(one, several, strict=True):
        assert line == pytest.approx(other, rel=1e-5, abs=1e-6)
    a, b = (load_file(tmp_path / name / "policy" / "model.safetensors") for name in ("one", "pool"))
    assert all(torch.equal(a[name], b[name]) for name in a)
