"""Results as Markdown, whatever of them there is."""

from collections.abc import Sequence
from pathlib import Path

from gpu_run.plan import Part
from gpu_run.results import RUNNING, Cell, Result, Table, columns, read_result
from rollout_speed.record import markdown as grid_markdown
from rollout_speed.record import with_section
from rollout_speed.tables import Grid

NOT_RUN = "not run"
HEADINGS = {"cuda": "On a GPU", "cpu": "On a CPU"}


def read_all(folder: Path) -> list[Result]:
    """Of the parts that wrote."""
    return [result for part in Part if (result := read_result(folder, part)) is not None]


def page(results: Sequence[Result]) -> str:
    """An overview and every part's tables; of a part without a result that it was not run."""
    known = {result.part: result for result in results}
    rows = [{"part": part.title, **overview(known.get(part))} for part in Part]
    texts = [origin(results), markdown(Table(title="Parts", rows=rows))]
    for part in Part:
        texts.append(f"### {part.title}")
        result = known.get(part)
        if result is None or not result.tables:
            texts.append(f"{state(result).capitalize()}.")
        else:
            texts.extend(map(markdown, result.tables))
    return "\n\n".join(texts) + "\n"


def overview(result: Result | None) -> dict[str, Cell]:
    """One row."""
    return {
        "outcome": state(result),
        "seconds": None if result is None else result.seconds,
        "of at most": None if result is None else result.allowed,
        "rows": 0 if result is None else sum(len(table.rows) for table in result.tables),
    }


def state(result: Result | None) -> str:
    """How it ended."""
    if result is None:
        return NOT_RUN
    return "running, or cut off with all that was to follow" if result.status == RUNNING else result.status


def origin(results: Sequence[Result]) -> str:
    """On what, with which versions and command."""
    machines = {
        ", ".join(f"{name} {value}" for name, value in result.machine.items() if name not in ("device", "kind"))
        + f"; {result.machine.get('device', '')}"
        for result in results
        if result.machine
    }
    commands = dict.fromkeys(result.command for result in results if result.command)
    return "\n\n".join([*sorted(machines), *(f"```\n{command}\n```" for command in commands)]) or "Nothing was run."


def markdown(table: Table) -> str:
    """With its title above and notes below."""
    header = columns(table.rows)
    rows = [[shown(row.get(name)) for name in header] for row in table.rows]
    return grid_markdown(Grid(title=table.title, header=header, rows=rows, notes=table.notes))


def shown(cell: Cell) -> str:
    """Numbers with as many digits as tell something."""
    match cell:
        case None:
            return ""
        case float() if cell and abs(cell) < 0.01:
            return f"{cell:.1e}"
        case float() if abs(cell) < 10:
            return f"{cell:.3g}"
        case float():
            return f"{cell:,.1f}" if abs(cell) < 100 else f"{cell:,.0f}"
        case int():
            return f"{cell:,}"
        case _:
            return cell


def record(results: Sequence[Result], path: Path) -> None:
    """Replace the section of the device in a Markdown file that holds other things too."""
    kinds = {result.machine["kind"] for result in results if "kind" in result.machine}
    if len(kinds) != 1:
        raise SystemExit(f"results of {sorted(kinds) or 'no machine'} cannot be recorded in one section; run the parts")
    path.write_text(with_section(path.read_text(), HEADINGS[kinds.pop()], page(results)))
