import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vineppo.errors import UserError
from vineppo.tasks.judge.workers import Workers


@pytest.fixture
def crashing(tmp_path, monkeypatch):
    """A worker that does what it is told."""
    (tmp_path / "puppet.py").write_text(
        "import os, time\n"
        "from vineppo.tasks.judge.serve import serve\n"
        "def act(request):\n"
        "    match request:\n"
        "        case 'die': os.kill(os.getpid(), 11)\n"
        "        case 'sleep': time.sleep(60)\n"
        "        case 'spin':\n"
        "            while True: pass\n"
        "        case 'eat': return len(bytearray(2 ** 32))\n"
        "        case 'print': print('hello', flush=True)\n"
        "        case 'torch': import sys; return str('torch' in sys.modules)\n"
        "        case 'pid': return os.getpid()\n"
        "    return f'did {request}'\n"
        "serve(lambda: act)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    workers = Workers("puppet", count=2, seconds=1.0, memory_mib=1024)
    yield workers
    workers.close()


def test_a_crash_a_hang_and_a_glutton_cost_their_own_reply_only(crashing):
    requests = ["a", "die", "b", "sleep", "c", "eat", "print", "d", "die"]
    replies = crashing.ask(requests)
    assert replies == ["did a", None, "did b", None, "did c", None, "did print", "did d", None]
    assert crashing.ask(["torch"]) == ["False"]


def test_a_worker_that_died_while_idle_is_replaced(crashing):
    [pid] = crashing.ask(["pid"])
    os.kill(int(pid), 9)
    time.sleep(0.2)
    assert crashing.ask(["a"]) == ["did a"]


def test_an_interrupted_batch_leaves_no_stale_reply(crashing, monkeypatch):
    crashing.ask(["a", "b"])

    def interrupt(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Workers, "_drop_late", interrupt)
        with pytest.raises(KeyboardInterrupt):
            crashing.ask(["sleep", "sleep"])
    assert crashing.ask(["c", "d"]) == ["did c", "did d"]


def test_workers_end_with_the_interpreter(crashing, tmp_path):
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from vineppo.tasks.judge.workers import Workers\n"
        "print(Workers('puppet', count=1, seconds=5, memory_mib=1024).ask(['pid'])[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


@pytest.mark.slow
def test_a_worker_whose_parent_was_killed_ends_itself(crashing, tmp_path):
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from vineppo.tasks.judge.workers import Workers\n"
        "workers = Workers('puppet', count=1, seconds=1, memory_mib=1024)\n"
        "print(workers.ask(['pid'])[0], flush=True)\n"
        "workers._seconds = 1000\n"
        "workers.ask(['spin'])\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    time.sleep(0.5)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 90
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not is_running(worker)


def is_running(pid: int) -> bool:
    """A zombie that nobody waits for does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    (tmp_path / "lacking.py").write_text(
        "from vineppo.tasks.judge.serve import serve\ndef load():\n    import no_such_package\nserve(load)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    workers = Workers("lacking", count=1, seconds=1.0, memory_mib=1024)
    with pytest.raises(UserError, match="No module named 'no_such_package'; install"):
        workers.ask(["a"])
    workers.close()
