"""What is printed: each finding as soon as it is made, then the rest."""

from collections import Counter
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from vineppo.doctor.finding import Finding, Verdict

STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red", Verdict.NOT_RUN: "dim"}
NAME, VERDICT = 11, 7
"""Widths of the first columns."""


def row(finding: Finding) -> Table:
    """One finding with its remedy."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(width=NAME)
    table.add_column(width=VERDICT)
    table.add_column(overflow="fold")
    found = Text(finding.found)
    found.append(f"\n-> {finding.remedy}" if finding.remedy else "", style="bold")
    table.add_row(Text(finding.check), Text(finding.verdict, style=STYLES[finding.verdict]), found)
    return table


def rest(findings: Sequence[Finding], memory: Sequence[str], *, seconds: float) -> str:
    """The memory forecast, the time and a count."""
    counts = Counter(finding.verdict for finding in findings)
    table = "\n".join(["", "memory of one process, by purpose", *memory, ""]) if memory else ""
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    return f"{table}\n{verdicts}; {seconds:.0f} s"
