"""Runs side by side: a table in the terminal, CSV files and one HTML page. Torch-free and quick."""

from collections.abc import Sequence
from pathlib import Path

from vineppo.compare.read import read_comparison
from vineppo.compare.show import show
from vineppo.compare.tables import write_tables
from vineppo.report.html import write_comparison

PAGE = "comparison.html"


def compare_runs(folders: Sequence[Path], out: Path, *, names: Sequence[str] = ()) -> Path:
    """Compare finished and unfinished runs, print the table, and write page and tables into `out`. Returns the page.

    `names`: what experiments are called, in order; none: by their folders.
    """
    compared = read_comparison(folders, names)
    out.mkdir(parents=True, exist_ok=True)
    write_tables(compared, out)
    page = write_comparison(compared, out / PAGE)
    show(compared, page)
    return page
