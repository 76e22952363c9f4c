"""Writing results into a Markdown file: a section of its own for each device, replaced when measured again."""

from collections.abc import Sequence
from pathlib import Path

from rollout_speed.results import Book, Table
from rollout_speed.tables import Grid, grids

INTRODUCTION = (
    "Decoded tokens per second, the best of the repeats. *ours is*: our speed over theirs. *memory*: the most beyond "
    "libraries and weights. *of the floor*: how near to what no engine can beat here (`rollout_speed/floor.py`). Every "
    "contender ran alone in a process of its own, after a warm-up, in the best of the settings that were tried."
)


def record(book: Book, path: Path) -> None:
    """Replace the section of the book's device, or append it."""
    devices = {table.place.device for table in book.tables.values()}
    for device in sorted(devices):
        chosen = Book(tables={name: t for name, t in book.tables.items() if t.place.device == device})
        text = path.read_text() if path.exists() else "# Results\n"
        path.write_text(with_section(text, f"Rollouts on {device}", section(chosen)))


def section(book: Book) -> str:
    """Its body."""
    commands = "\n".join(dict.fromkeys(map(command, book.tables.values())))
    parts = [INTRODUCTION, _origin(book), f"```\n{commands}\n```", *map(markdown, grids(book))]
    return "\n\n".join(parts)


def command(table: Table) -> str:
    """What measures this table again."""
    size, place = table.size, table.place
    words = [
        f"python benchmarks/rollouts.py --device {place.device} --dtype {place.dtype}",
        f"--workloads {table.model}:{table.variant} --trajectories {size.trajectories} --length {size.length}",
        f"--states {size.states} --rollouts {size.rollouts} --new-tokens {size.new_tokens}",
        "--memory" if table.memory else "",
        "--profile" if table.profile else "",
    ]
    return " ".join(filter(None, words))


def with_section(text: str, title: str, body: str) -> str:
    """`text` with the body under `## title`: in place of what stood there, else at the end."""
    lines = text.splitlines()
    heading = f"## {title}"
    begin = lines.index(heading) if heading in lines else len(lines)
    rest = [i for i in range(begin + 1, len(lines)) if lines[i].startswith("## ")]
    end = rest[0] if rest else len(lines)
    before, after = "\n".join(lines[:begin]).rstrip(), "\n".join(lines[end:]).strip()
    return "\n\n".join(filter(None, [before, heading, body.strip(), after])) + "\n"


def markdown(grid: Grid) -> str:
    """A table with its title above and notes below."""
    lines = [f"**{grid.title}**", "", _line(grid.header), _line(["---"] * len(grid.header)), *map(_line, grid.rows)]
    return "\n".join([*lines, *(f"\n{note}" for note in grid.notes)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _origin(book: Book) -> str:
    """When, on what, with which versions."""
    entries = [entry for table in book.tables.values() for entry in table.entries.values()]
    dates = sorted({entry.date.isoformat() for entry in entries})
    machines = sorted({table.roofs.device for table in book.tables.values() if table.roofs})
    versions = sorted({f"{name} {v}" for e in entries if e.measurement for name, v in e.measurement.versions.items()})
    return f"{' and '.join(dates)}; {'; '.join(machines)}; {', '.join(versions)}."
