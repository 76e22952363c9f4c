"""All that only a GPU can show, in one command with a time limit: `make gpu`, or with settings of its own

    python benchmarks/gpu.py --minutes 10                                  on the GPU there is
    python benchmarks/gpu.py --minutes 3 --device cpu --sizes tiny         everything, on a CPU, to see that it runs
    python benchmarks/gpu.py --parts rollouts update --minutes 4           some parts, beside the others' results
    python benchmarks/gpu.py --show --record docs/gpu.md                   results of before, written into the page

Each part has its own share of the time, in a process that is killed when that is over; what is left over goes to the
others. Results lie in --out, a JSON file a part and all tables in tables.md, renewed while the parts run: whatever is
cut off loses only itself.
"""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gpu_run.assignment import Assignment
from gpu_run.launch import ROOT, prepare_environment, run_within
from gpu_run.page import page, read_all, record
from gpu_run.plan import LEAST_SECONDS, Part, allowance
from gpu_run.results import DONE, Result, read_result, result_path, troubles
from rollout_speed.names import Model

SIZES = {"cuda": (Model.HALF_B, Model.ONE_AND_A_HALF_B), "cpu": (Model.TINY,)}
POLICY = ROOT / "build/policy_registers_gpu/habits"
VLLM_PYTHON = ROOT / ".venv-vllm/bin/python"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--minutes", type=float, default=10, help="for everything (10)")
    add("--device", choices=("cuda", "cpu"), default="cuda")
    add("--sizes", nargs="+", type=Model, choices=list(Model), help="of random-weight models (0.5b 1.5b; cpu: tiny)")
    add("--parts", nargs="+", type=Part, choices=list(Part), default=list(Part))
    add(
        "--policy",
        help=f"a starting policy for configs/registers_gpu.yaml ({POLICY.relative_to(ROOT)}, if it is there)",
    )
    add("--model", help="a real model's folder")
    add("--data", help="a folder with train.jsonl and test.jsonl, columns question and answer")
    add("--vllm-python", help=f"an interpreter that has vLLM ({VLLM_PYTHON.relative_to(ROOT)}, if it is there)")
    add("--out", type=Path, default=ROOT / "build/gpu", help="results: small files")
    add("--work", type=Path, default=ROOT / "build/gpu-work", help="models and runs: 8 GB on a GPU")
    add("--show", action="store_true", help="run nothing: write the tables again")
    add("--record", type=Path, help="a Markdown file whose section for this device is replaced")
    return parser.parse_args(words)


def main() -> int:
    """Run, show, record. The exit code is 1 where anything failed, was cut off or is missing of the parts asked for."""
    given = arguments()
    given.out.mkdir(parents=True, exist_ok=True)
    if not given.show:
        prepare_environment()
        run_parts(Run(given=given, command=shlex.join(["python", "benchmarks/gpu.py", *sys.argv[1:]])))
    results = read_all(given.out)
    text = page(results)
    (given.out / "tables.md").write_text(text)
    print(text)
    if given.record:
        record(results, given.record)
    found = [trouble for result in results if result.part in given.parts for trouble in troubles(result)]
    print("\n".join(found), file=sys.stderr)
    return int(bool(found))


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What all parts of a run share."""

    given: argparse.Namespace
    command: str

    def assignment(self, part: Part, seconds: float) -> Assignment:
        """For one part."""
        given = self.given
        found = str(POLICY) if (POLICY / "config.json").exists() and given.device == "cuda" else None
        return Assignment(
            part=part,
            device=given.device,
            sizes=tuple(given.sizes or SIZES[given.device]),
            seconds=seconds,
            until=time.time() + seconds,
            out=given.out.resolve(),
            work=given.work.resolve(),
            policy=given.policy or found,
            model=given.model,
            data=given.data,
            vllm_python=given.vllm_python or (str(VLLM_PYTHON) if VLLM_PYTHON.exists() else None),
        )


def run_parts(run: Run) -> None:
    """One after the other, each within its share of what is left."""
    began, out = time.monotonic(), run.given.out
    waiting = [part for part in Part if part in run.given.parts]
    run.given.work.mkdir(parents=True, exist_ok=True)
    machine = ask_machine(run)
    for place, part in enumerate(waiting):
        left = run.given.minutes * 60 - (time.monotonic() - began)
        run_part(run, part, allowance(waiting[place:], left, run.given.device), machine)
        (out / "tables.md").write_text(page(read_all(out)))


def ask_machine(run: Run) -> dict[str, str]:
    """What it is, asked in a process of its own: whoever asked a GPU cannot be forked from."""
    from gpu_run.child import find_machine  # seconds of importing, which all parts share

    path = run.given.work.resolve() / "machine.json"
    path.unlink(missing_ok=True)
    log = run.given.out / "log.txt"
    work = partial(write_json, path, partial(find_machine, run.given.device))
    status = run_within(work, seconds=60.0, log=log, poll=lambda: None)
    if status != DONE:
        raise SystemExit(status)
    return json.loads(path.read_text())


def write_json(path: Path, make: Callable[[], object]) -> None:
    """What is made."""
    path.write_text(json.dumps(make()))


def run_part(run: Run, part: Part, seconds: float, machine: dict[str, str]) -> None:
    """In a process of its own; its result, with how it ended, is on the disk afterwards, whatever happened."""
    out = run.given.out
    result_path(out, part).unlink(missing_ok=True)
    began = time.monotonic()
    if seconds < LEAST_SECONDS:
        status = f"not run: {seconds:.0f} s were left for it"
    else:
        print(f"{part.title}: at most {seconds:.0f} s", flush=True)
        from gpu_run.child import do

        work = partial(do, run.assignment(part, seconds), run.command, machine)
        status = run_within(work, seconds=seconds, log=out / "log.txt", poll=TablesOf(out).renew)
    taken = time.monotonic() - began
    result = read_result(out, part) or Result(part=part, command=run.command, allowed=seconds)
    result.status, result.seconds = status, taken
    result.save(out)
    print(f"{part.title}: {status}, {taken:.0f} s", flush=True)


class TablesOf:
    """tables.md, written again whenever a part has written."""

    def __init__(self, out: Path):
        self._out, self._seen = out, 0.0

    def renew(self) -> None:
        """Where something is new."""
        times = [path.stat().st_mtime for path in self._out.glob("*.json")]
        if times and max(times) > self._seen:
            self._seen = max(times)
            (self._out / "tables.md").write_text(page(read_all(self._out)))


if __name__ == "__main__":
    sys.exit(main())
