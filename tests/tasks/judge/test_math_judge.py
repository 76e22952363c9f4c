import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vineppo.errors import UserError
from vineppo.tasks.judge.extract import last_box
from vineppo.tasks.judge.mathematics import MAX_ANSWER, MathJudge
from vineppo.tasks.judge.workers import Workers
from vineppo.types import Outcome

SECONDS = 2.0
BUSY = 10.0
"""What a busy machine may add, far below what the answers would take."""

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "math"
needs_math = pytest.mark.skipif(not DATA.is_dir(), reason=f"no MATH data at {DATA}")

BOMBS = [
    "9^{9^{9^{9}}}",
    "1000000000!",
    "(10^{10})!",
    r"\sum_{n=1}^{10^{12}} \frac{1}{n^n}",
    r"\binom{10^9}{5\cdot 10^8}",
    "2^{2^{2^{2^{2^{2}}}}}",
    "(x+1)^{1000000}",
    "(" * 300 + "1" + ")" * 300,
]
"""Each hangs math-verify, or takes all memory."""
HOSTILE = [
    "9**9**9**9",
    r"\frac{1}{" * 10_000 + "2" + "}" * 10_000,
    r"\frac{1}{" * 80 + "2" + "}" * 80,
    "1" * 1_000_000,
    "4\x002",
    "\x00",
    "{{{{",
    "}}}}",
    r"\frac{",
    r"\left(",
    "((100!)!)!",
    "\N{RIGHT-TO-LEFT OVERRIDE}21",
    "__import__('os').system('true')",
    "\ud800",
    *BOMBS,
]


@pytest.fixture(scope="module")
def judge():
    judge = MathJudge(seconds=SECONDS, memory_mib=2048, workers=2)
    yield judge
    judge.close()


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (r"\frac{\sqrt{8}}{4}", r"\frac{\sqrt{2}}{2}"),
        ("0.333333", r"\frac{1}{3}"),
        (r"\frac12", "0.5"),
        ("x^2+2x+1", "(x+1)^2"),
        ("x=5", "5"),
        (r"\{2, 1\}", r"\{1,2\}"),
        (r"(-\infty, 2)", r"(-\infty,2)"),
        (r"50\%", "50"),
        (r"5\text{ cm}", "5"),
        (r"2\sqrt{3}", r"\sqrt{12}"),
    ],
)
def test_equal_answers_are_correct(judge, answer, gold):
    assert judge.outcomes([answer], [gold]) == [Outcome.CORRECT]


@pytest.mark.parametrize(
    ("answer", "gold", "outcome"),
    [
        (r"\sqrt{3}", r"\sqrt{2}", Outcome.WRONG),
        ("(1,2)", "(2,1)", Outcome.WRONG),
        (r"\text{Angela}", r"\text{Evelyn}", Outcome.WRONG),
        (None, "5", Outcome.UNPARSEABLE),
        ("}{", "5", Outcome.UNPARSEABLE),
        ("1" * (MAX_ANSWER + 1), "1", Outcome.UNPARSEABLE),
    ],
)
def test_others_are_not(judge, answer, gold, outcome):
    assert judge.outcomes([answer], [gold]) == [outcome]


@pytest.mark.parametrize("answer", HOSTILE, ids=lambda answer: ascii(answer[:20]))
def test_a_hostile_answer_stays_within_its_limit(judge, answer):
    assert judge.outcomes([r"\sqrt{4}"], ["2"]) == [Outcome.CORRECT]  # a worker is up
    began = time.monotonic()
    [outcome] = judge.outcomes([answer], [r"\sqrt{2}"])
    assert time.monotonic() - began < SECONDS + BUSY
    assert outcome != Outcome.CORRECT


@pytest.mark.slow
def test_bombs_change_no_other_verdict(judge):
    fine = [(rf"\sqrt{{{n * n}}}", str(n + n % 2)) for n in range(2, 982)]
    pairs = [*fine]
    for i in range(20):
        pairs.insert(50 * i, (f"{BOMBS[i % len(BOMBS)]}+{i}", r"\sqrt{2}"))
    outcomes = judge.outcomes([answer for answer, _ in pairs], [gold for _, gold in pairs])
    assert len(outcomes) == 1000
    told = [outcome for (_, gold), outcome in zip(pairs, outcomes, strict=True) if gold != r"\sqrt{2}"]
    assert told == [Outcome.WRONG if n % 2 else Outcome.CORRECT for n in range(2, 982)]
    assert all(
        outcome in (Outcome.TIMEOUT, Outcome.WRONG, Outcome.UNPARSEABLE)
        for (_, gold), outcome in zip(pairs, outcomes, strict=True)
        if gold == r"\sqrt{2}"
    )
    assert outcomes.count(Outcome.TIMEOUT) > 10


def test_nothing_is_judged_twice(judge):
    began = time.monotonic()
    for _ in range(5):
        assert judge.outcomes(["9^{9^{9^{9}}}"] * 3, ["1"] * 3) == [Outcome.TIMEOUT] * 3
    assert time.monotonic() - began < 4 * SECONDS, "five verdicts, had they been made anew, take five limits"


def test_the_cache_is_bounded():
    judge = MathJudge(seconds=SECONDS, memory_mib=2048, workers=1, cached=2)
    answers = [rf"\sqrt{{{n}}}" for n in (4, 9, 16, 25)]
    assert judge.outcomes(answers, ["2", "3", "4", "6"]) == [Outcome.CORRECT] * 3 + [Outcome.WRONG]
    assert len(judge._known) == 2
    judge.close()


# --- workers -----------------------------------------------------------------------------------------------------


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


def test_workers_end_with_the_interpreter(tmp_path):
    script = (
        "from vineppo.tasks.judge.mathematics import MathJudge\n"
        "judge = MathJudge(seconds=5, memory_mib=2048, workers=1)\n"
        "judge.outcomes([r'\\sqrt{4}'], ['2'])\n"
        "print(judge._workers._workers[0].process.pid)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


@pytest.mark.slow
def test_a_worker_whose_parent_was_killed_ends_itself():
    script = (
        "from vineppo.tasks.judge.mathematics import MathJudge\n"
        "judge = MathJudge(seconds=1, memory_mib=2048, workers=1)\n"
        "judge.outcomes([r'\\sqrt{4}'], ['2'])\n"
        "print(judge._workers._workers[0].process.pid, flush=True)\n"
        "judge._workers._seconds = 1000\n"
        "judge.outcomes(['1000000000!'], ['2'])\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    time.sleep(0.5)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
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


# --- real answers ------------------------------------------------------------------------------------------------


@needs_math
@pytest.mark.parametrize("name", ["problems", "math500"])
def test_gold_solutions_are_correct(judge, name):
    rows = [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text().splitlines()]
    answers = [last_box(row["solution"]) for row in rows]
    golds = [row.get("answer") or answer or "" for row, answer in zip(rows, answers, strict=True)]
    outcomes = judge.outcomes(answers, golds)
    assert outcomes.count(Outcome.CORRECT) >= 0.995 * len(rows)


@needs_math
def test_answers_of_other_questions_are_seldom_correct(judge):
    rows = [json.loads(line) for line in (DATA / "math500.jsonl").read_text().splitlines()]
    golds = [row["answer"] for row in rows]
    outcomes = judge.outcomes(golds, [*golds[1:], golds[0]])
    assert outcomes.count(Outcome.CORRECT) < 0.02 * len(rows)
