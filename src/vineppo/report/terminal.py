"""Tables on a terminal, however narrow: no number is cut off."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDEST = 1000
"""Columns: more than any table has."""


def print_fitting(console: Console, table: Table, lines: Sequence[Text]) -> None:
    """The table where it fits; where it does not, the lines."""
    if console.measure(table, options=console.options.update(width=WIDEST)).maximum <= console.width:
        console.print(table)
        return
    for line in lines:
        console.print(line)


def stacked_rows(table: Table) -> list[Text]:
    """A table of plain texts, a few lines a row: what it is of, then each column with its head."""
    first, *others = table.columns
    lines = [Text(str(table.title or ""), style="bold")]
    for index, name in enumerate(first.cells):
        lines.append(Text(str(name), style="bold"))
        lines += [Text(f"  {' '.join(str(column.header).split())}: {list(column.cells)[index]}") for column in others]
    return lines
