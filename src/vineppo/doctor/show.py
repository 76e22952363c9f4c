"""The table."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vineppo.doctor.finding import Finding, Verdict

STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red", Verdict.NOT_RUN: "dim"}


def show(findings: Sequence[Finding], memory: Sequence[str]) -> None:
    """Every finding with its remedy, the memory forecast, and a count."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for name in ("check", "verdict", "found"):
        table.add_column(name, no_wrap=name != "found")
    for finding in findings:
        found = Text(finding.found)
        found.append(f"\n-> {finding.remedy}" if finding.remedy else "", style="bold")
        table.add_row(Text(finding.check), Text(finding.verdict, style=STYLES[finding.verdict]), found)
    console.print(table)
    if memory:
        console.print("\n".join(["", "memory of one process, by purpose", *memory]), markup=False, soft_wrap=True)
    counts = Counter(finding.verdict for finding in findings)
    console.print("\n" + ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict]))
