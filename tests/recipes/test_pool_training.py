"""A run whose engine is a pool, with replicas killed at work, trains as one whose engine is in its own process."""

import json
import threading
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file
from small_runs import QUICK, metrics_of, without_time

from vineppo import Trainer, load_config

pytest.importorskip("ray", reason="the pool needs Ray: pip install 'vineppo[ray]'")

KILLS = 1


class Killer(threading.Thread):
    """Kills replicas of this process while they sample, with a pause in between."""

    def __init__(self):
        super().__init__(daemon=True)
        self.kills = 0
        self.over = threading.Event()

    def run(self) -> None:
        while self.kills < KILLS and not self.over.is_set():
            for child in psutil.Process().children(recursive=True):
                if title(child).startswith("ray::Replica.sample"):
                    child.kill()
                    self.kills += 1
                    time.sleep(0.5)
                    break
            time.sleep(0.005)


def title(process: psutil.Process) -> str:
    try:
        return (process.cmdline() or [""])[0]
    except psutil.Error:
        return ""


@pytest.mark.slow
def test_killed_replicas_do_not_show_in_what_is_learned(tmp_path: Path, capfd):
    settings = [*QUICK, "credit=vine", "training.iterations=2", "evaluation.every=0"]
    Trainer(load_config(None, [*settings, f"run.dir={tmp_path / 'one'}"])).train()
    killer = Killer()
    killer.start()
    pool = ["engine.pool={replicas: 2, cpus: 0.5}", f"run.dir={tmp_path / 'pool'}"]
    Trainer(load_config(None, [*settings, *pool])).train()
    killer.over.set()
    assert killer.kills > 0
    assert "died and is started again" in capfd.readouterr().err
    memory = json.loads((tmp_path / "pool" / "engine_memory.json").read_text())
    assert len(memory) == 2
    assert 0 < sum(memory) < psutil.virtual_memory().total / 2, "they share what is free"
    one, several = (without_time(metrics_of(tmp_path / name)) for name in ("one", "pool"))
    for line, other in zip(one, several, strict=True):
        assert line == pytest.approx(other, rel=1e-5, abs=1e-6)
    a, b = (load_file(tmp_path / name / "policy" / "model.safetensors") for name in ("one", "pool"))
    assert all(torch.equal(a[name], b[name]) for name in a)
