"""The comparison in the terminal."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vineppo.analysis.run_comparison import COSTS
from vineppo.report.comparison_page import SIDES, Cell, Compared, ComparisonPage, make_comparison_page


def show(compared: Compared, page: Path) -> None:
    """Print what the page says, without its plots."""
    console = Console(highlight=False)
    said = make_comparison_page(compared)
    console.print(accuracies(said))
    for panel in said.panels:
        if panel.axis in COSTS and panel.rows:
            table = Table(title=SIDES[panel.axis].label, title_justify="left", box=None, pad_edge=False)
            table.add_column("until")
            for name, _, _ in panel.rows:
                table.add_column(Text(name), justify="right")
            for index, (target, accuracy) in enumerate(panel.targets):
                table.add_row(Text(f"{target}, {accuracy}"), *(cell_text(cells[index]) for _, _, cells in panel.rows))
            console.print()
            console.print(table)
    console.print()
    for caution in said.cautions:
        console.print(Text(caution), soft_wrap=True)
    console.print(Text(f"page {page}  tables {page.parent}/*.csv"), soft_wrap=True)


def accuracies(said: ComparisonPage) -> Table:
    """One line an experiment."""
    table = Table(title=Text(f"{said.title}{f' on {said.task}' if said.task else ''}"), title_justify="left", box=None)
    table.pad_edge = False
    table.add_column(f"test {said.measure}")
    for name in ("seeds", "start", "final", "95 % interval", "peak", "at", "final KL"):
        table.add_column(name, justify="right")
    for row in said.rows:
        cells = (row.seeds, row.start, row.final, row.final_interval, row.peak, row.peak_at, row.kl)
        table.add_row(Text(row.name), *map(Text, cells))
    return table


def cell_text(cell: Cell) -> Text:
    """Cost and how many times less; below it the cost's interval, and how many seeds where not all."""
    text = Text(cell.cost, style="dim" if cell.own else "bold")
    text.append(f", {cell.times}" if cell.times else "", style="not bold")
    if below := ", ".join(part for part in (cell.interval, cell.reached) if part):
        text.append(f"\n{below}", style="not bold dim")
    return text
