"""However a process with a pool ends, its replicas and the cluster it started end with it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytest.importorskip("ray", reason="the pool needs Ray: pip install 'vineppo[ray]'")

TESTS = Path(__file__).resolve().parents[2]
PROGRAM = """
import signal, sys, psutil
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background has it ignored
from troubled_engine import make_troubled
from vineppo.engines.ray_pool.pool import RayPool
from vineppo.types import Request, Sampling

pool = RayPool(make_troubled, {}, replicas=2, cpus=0)
print(*[child.pid for child in psutil.Process().children(recursive=True)], flush=True)
if sys.argv[1] == "an error":
    raise ValueError("an error")
pool.sample([Request(prefix=(2, i), count=1, seed=i) for i in range(100_000)], Sampling())
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["an error", signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=str)
def test_no_process_is_left(how: str | signal.Signals):
    path = os.pathsep.join([str(TESTS), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(how)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdout is not None
    others = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
    assert len(others) > 3, "two replicas, and what Ray needs"
    if how is signal.SIGKILL:  # two small agents of Ray's own look for their parent only once a minute
        others = [other for other in others if "Agent" not in "".join(other.cmdline())]
    if isinstance(how, signal.Signals):
        process.send_signal(how)
    process.communicate(timeout=180)
    _, alive = psutil.wait_procs(others, timeout=20)
    assert not alive, [other.cmdline() for other in alive]
