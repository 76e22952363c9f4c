"""What is printed: each finding as soon as it is made, then the rest."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vineppo.doctor.finding import Finding, Verdict

STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red", Verdict.NOT_RUN: "dim"}
NAME, VERDICT = 11, 7
"""Widths of the first columns."""
NARROW = 60
"""Columns below which what was found stands below its check."""


@dataclass(frozen=True)
class Row:
    """One finding with its remedy, as rich prints it."""

    finding: Finding

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Three columns where there is room."""
        check, verdict = Text(self.finding.check), Text(self.finding.verdict, style=STYLES[self.finding.verdict])
        found = Text(self.finding.found)
        found.append(f"\n-> {self.finding.remedy}" if self.finding.remedy else "", style="bold")
        if options.max_width < NARROW:
            yield Text.assemble(check, ": ", verdict)
            yield Padding(found, (0, 0, 0, 2))
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(width=NAME)
        table.add_column(width=VERDICT)
        table.add_column(overflow="fold")
        table.add_row(check, verdict, found)
        yield table


def rest(findings: Sequence[Finding], memory: Sequence[str], *, seconds: float) -> str:
    """The memory forecast, the time and a count."""
    counts = Counter(finding.verdict for finding in findings)
    table = "\n".join(["", "memory of one process, by purpose", *memory, ""]) if memory else ""
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    return f"{table}\n{verdicts}; {seconds:.0f} s"
