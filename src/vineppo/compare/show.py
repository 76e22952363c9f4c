"""The comparison in the terminal: tables where they fit, else a few lines an experiment."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vineppo.analysis.run_comparison import COSTS
from vineppo.errors import one_line
from vineppo.report.comparison_page import SIDES, Cell, Compared, ComparisonPage, Panel, make_comparison_page
from vineppo.report.terminal import print_fitting

MOST_SETTINGS = 6
"""Of those in which experiments differ; the page has all."""
LONGEST = 60
"""Characters of a value, such as a template; the page has them, too."""


def show(compared: Compared, page: Path) -> None:
    """Print what the page says, without its plots."""
    console = Console(highlight=False)
    said = make_comparison_page(compared)
    print_fitting(console, accuracies(said), accuracy_lines(said))
    for panel in said.panels:
        if panel.axis in COSTS and panel.rows:
            console.print()
            print_fitting(console, cost_table(panel), cost_lines(panel))
    console.print()
    for key, values in said.differing[:MOST_SETTINGS]:
        told = " | ".join(one_line(value or "none", LONGEST) for value in values)
        console.print(Text(f"{key}: {told}"), soft_wrap=True)
    for caution in said.cautions:
        console.print(Text(caution), soft_wrap=True)
    console.print(Text(f"page {page}  tables {page.parent}/*.csv"), soft_wrap=True)


def title_of(said: ComparisonPage) -> str:
    """What was compared."""
    return f"{said.title}{f' on {said.task}' if said.task else ''}"


def accuracy_lines(said: ComparisonPage) -> list[Text]:
    """A few lines an experiment."""
    lines = [Text(f"{title_of(said)}, test {said.measure}", style="italic")]
    for row in said.rows:
        between = f" ({row.final_interval})" if row.final_interval else ""
        lines += [
            Text.assemble((row.name, "bold"), f", {row.seeds}"),
            Text(f"  start {row.start}"),
            Text(f"  final {row.final}{between}"),
            Text(f"  peak {row.peak} at {row.peak_at}"),
        ]
        if said.has_kl:
            lines.append(Text(f"  final KL {row.kl}"))
    return lines


def cost_table(panel: Panel) -> Table:
    """One line a target."""
    table = Table(title=SIDES[panel.axis].label, title_justify="left", box=None, pad_edge=False)
    table.add_column("until")
    for name, _, _ in panel.rows:
        table.add_column(Text(name), justify="right")
    for index, (target, accuracy) in enumerate(panel.targets):
        table.add_row(Text(f"{target}, {accuracy}"), *(cell_text(cells[index]) for _, _, cells in panel.rows))
    return table


def cost_lines(panel: Panel) -> list[Text]:
    """A few lines a target."""
    lines = [Text(SIDES[panel.axis].label, style="italic")]
    for index, (target, accuracy) in enumerate(panel.targets):
        lines.append(Text(f"until {target}, {accuracy}"))
        for name, _, cells in panel.rows:
            cell = cells[index]
            told = (f"{cell.cost} ({cell.interval})" if cell.interval else cell.cost, cell.times, cell.reached)
            lines.append(Text.assemble("  ", (name, "bold"), f": {', '.join(part for part in told if part)}"))
    return lines


def accuracies(said: ComparisonPage) -> Table:
    """One line an experiment."""
    table = Table(title=Text(title_of(said)), title_justify="left", box=None)
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
