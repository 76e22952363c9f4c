"""Rollouts from shared prefixes: the embedded engine beside its peers and beside the floor, in one run.

The workload of VinePPO: trajectories, some states of each, and several rollouts from each state. Every contender runs
alone in a fresh process, is warmed up, and gets its best setting of those it may try (rollout_speed/settings.py).

    python benchmarks/rollouts.py                                          all contenders, 64 trajectories: an hour
    python benchmarks/rollouts.py --workloads tiny:fixed --trajectories 16 --contenders ours generate
    python benchmarks/rollouts.py --memory --profile --contenders ours     memory over K, and where the time goes
    python benchmarks/rollouts.py --device cuda --dtype bfloat16           0.5 B and 1.5 B parameters

Results are kept in --out: what is measured again is replaced, the rest stays, so a long run can be done in parts.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table as RichTable

from rollout_speed.names import Contender, Model, Place, Size, Variant
from rollout_speed.record import record
from rollout_speed.results import Book, Table, open_book
from rollout_speed.suite import Suite
from rollout_speed.tables import Grid, grids, table_grids

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
VLLM = (Contender.VLLM, Contender.VLLM_COMPILED)
VLLM_PYTHON = HERE.parent / ".venv-vllm" / "bin" / "python"
PIPE_WIDTH = 160
WORKLOADS = {
    "cpu": ("tiny:fixed", "small:fixed", "tiny:stopping", "arithmetic:stopping"),
    "cuda": ("0.5b:fixed", "1.5b:fixed", "0.5b:stopping"),
}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--workloads", nargs="+", metavar="MODEL:VARIANT", help=f"models: {', '.join(Model)}; {', '.join(Variant)}")
    add("--contenders", nargs="+", type=Contender, choices=list(Contender), default=list(Contender))
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--dtype", choices=("float32", "bfloat16"), default="float32")
    add("--trajectories", type=int, default=64)
    add("--length", type=int, default=150, help="tokens of a trajectory (150)")
    add("--states", type=int, default=10, help="branching points of each trajectory (10)")
    add("--rollouts", type=int, default=9, help="from each state (9)")
    add("--new-tokens", type=int, default=64, help="the most of a rollout (64)")
    add("--threads", nargs="+", type=int, default=sorted({1, os.cpu_count() or 1}), help="counts to try (1, all)")
    add("--repeats", type=int, default=3, help="of each measurement, the best counts (3)")
    add("--seconds", type=float, default=120, help="no further repeat of a contender after so many (120)")
    add("--limit", type=float, default=1800, help="give a process up after so many seconds (1800)")
    add("--vllm-python", default=os.environ.get("VLLM_PYTHON", str(VLLM_PYTHON)), help="interpreter that has vLLM")
    add("--memory", action="store_true", help="also the memory over K")
    add("--profile", action="store_true", help="also where our engine's time goes")
    add("--out", type=Path, default=HERE.parent / "build" / "rollouts" / "results.json")
    add("--show", action="store_true", help="measure nothing: show, and perhaps record, what --out has")
    add("--record", action="store_true", help="write all that --out has into benchmarks/RESULTS.md")
    return parser.parse_args()


def main() -> None:
    """Measure, show, record."""
    given = arguments()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    book = open_book(given.out)
    if given.show:
        shown = grids(book)
    else:
        shown = [grid for table in measure(given, book, console) for grid in table_grids(table)]
    for grid in shown:
        show(console, grid)
    if given.record:
        record(book, RESULTS)
        console.print(f"Recorded in {RESULTS}")


def measure(given: argparse.Namespace, book: Book, console: Console) -> list[Table]:
    """All that was asked for, in the order it was asked for."""
    workloads = [workload(name) for name in given.workloads or WORKLOADS[given.device]]
    contenders = [contender for contender in given.contenders if available(contender, given.vllm_python, console)]
    tables = []
    with console.status("starting") as status:
        suite = make_suite(given, book, Narrator(console, status))
        for model, variant in workloads:
            tables.append(suite.measure(model, variant, contenders))
            if given.memory:
                suite.measure_memory(model)
            if given.profile:
                suite.profile(model, variant)
    return tables


def workload(name: str) -> tuple[Model, Variant]:
    """MODEL:VARIANT. Exits with a line that says what there is."""
    model, _, variant = name.partition(":")
    if model not in list(Model) or variant not in list(Variant):
        sys.exit(f"--workloads: {name!r} is not MODEL:VARIANT, of {', '.join(Model)} and {', '.join(Variant)}")
    return Model(model), Variant(variant)


def available(contender: Contender, vllm_python: str, console: Console) -> bool:
    """vLLM lives in an environment of its own, which need not be there."""
    if contender not in VLLM or Path(vllm_python).exists():
        return True
    console.print(f"{contender.label} is skipped: there is no {vllm_python}. `make vllm-venv` installs it.")
    return False


def make_suite(given: argparse.Namespace, book: Book, narrator: "Narrator") -> Suite:
    """From the command line."""
    given.out.parent.mkdir(parents=True, exist_ok=True)
    return Suite(
        book=book,
        path=given.out,
        say=narrator.say,
        place=Place(device=given.device, dtype=given.dtype),
        size=Size(
            trajectories=given.trajectories,
            length=given.length,
            states=given.states,
            rollouts=given.rollouts,
            new_tokens=given.new_tokens,
        ),
        threads=given.threads,
        repeats=given.repeats,
        seconds=given.seconds,
        limit=given.limit,
        pythons={contender: given.vllm_python if contender in VLLM else sys.executable for contender in Contender},
        python=sys.executable,
    )


class Narrator:
    """What is under way: a live line on a terminal, plain lines with the time elsewhere."""

    def __init__(self, console: Console, status: Status):
        self._console, self._status, self._began = console, status, time.monotonic()

    def say(self, text: str) -> None:
        """This begins now."""
        if self._console.is_terminal:
            self._status.update(text)
        else:
            self._console.print(f"{time.monotonic() - self._began:7.1f} s  {text}", soft_wrap=True)


def show(console: Console, grid: Grid) -> None:
    """On the terminal."""
    table = RichTable(title=grid.title, title_justify="left")
    for column, name in enumerate(grid.header):
        table.add_column(name, justify="left" if column < grid.text_columns else "right")
    for row in grid.rows:
        table.add_row(*map(escape, row))
    console.print(table)
    for note in grid.notes:
        console.print(note, soft_wrap=True)
    console.print()


if __name__ == "__main__":
    main()
