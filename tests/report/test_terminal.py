"""Tables that a terminal is too narrow for."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from vineppo.report.terminal import print_fitting, stacked_rows

WIDTH = 13
"""Of the table below: a name of 3, a gap of 2, a head of 8."""


def small_table() -> Table:
    table = Table("who", "noise\nper mile", title=None, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_row("ppo", "1.25")
    return table


@pytest.mark.parametrize(
    ("width", "lines"),
    [(WIDTH, ["     noise", "who  per mile", "ppo  1.25"]), (WIDTH - 1, ["ppo", "  noise per", "mile: 1.25"])],
)
def test_a_table_that_does_not_fit_is_told_row_by_row(width: int, lines: list[str]):
    written = io.StringIO()
    table = small_table()
    print_fitting(Console(file=written, width=width), table, stacked_rows(table))
    assert [line.rstrip() for line in written.getvalue().splitlines() if line.strip()] == lines
