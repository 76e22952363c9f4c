"""The credit heat map in a terminal. Signed numbers carry what the colours say, so colour is never the only carrier."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vineppo.report.credit_map import CreditMap, StepView, TrajectoryView

PLUS, MINUS = (33, 102, 172), (179, 88, 6)
"""Blue and orange, which colour-blind people tell apart (ColorBrewer's PuOr and RdBu ends)."""
PAPER, WHITE, INK = (247, 247, 247), "#ffffff", "#1a1a1a"
NARROW = 72
"""Columns of a terminal below which numbers would leave no room for steps."""
DEEP = 60.0
"""Percent of the full colour from which light letters read better than dark ones."""


def show(credit_map: CreditMap, *, limit: int, console: Console | None = None) -> None:
    """Print the first solutions."""
    console = console or Console(highlight=False)
    views = [view for _, members in credit_map.groups for view in members]
    for view in views[:limit]:
        console.print(Text(heading(view), style="bold"), soft_wrap=True)
        console.print(Text(view.prompt), style="dim")
        console.print(heat_map(view) if console.width >= NARROW else stacked(view))
        console.print()
    if len(views) > limit:
        console.print(f"{len(views) - limit} more solutions are on the page.\n")
    console.print(legend(credit_map.scale, has_intervals=credit_map.has_intervals))
    steps = [step for view in views for step in view.steps]
    if credit_map.has_intervals and all(step.noise != "clear" for step in steps):
        console.print("No change of value is clear of noise; more rollouts (credit.rollouts) make intervals narrower.")


def heading(view: TrajectoryView) -> str:
    """--- solution 1 of question: correct."""
    answer = f", the answer is {view.answer}" if view.answer else ""
    return f"--- {view.caption}, {view.label}{answer}"


def heat_map(view: TrajectoryView) -> Table:
    """A line a step: value before it, the step on its colour, advantage."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("value before", justify="right", no_wrap=True)
    table.add_column("step", overflow="fold", ratio=1)
    table.add_column("advantage", justify="right", no_wrap=True)
    for step in view.steps:
        table.add_row(
            Text.assemble(step.before, (f"  {step.before_interval}" if step.before_interval else "", "dim")),
            Text(step.text, style=style_of(step)),
            Text.assemble(
                (step.advantage, "" if step.noise == "noise" else "bold"),
                (f"  {step.change_interval}" if step.change_interval else "", "dim"),
            ),
        )
    table.add_row(Text(view.reward), Text(view.ended, style="dim"), "")
    return table


def stacked(view: TrajectoryView) -> Text:
    """The same where the terminal is too narrow for columns: a step as it stands, its numbers below."""
    lines = Text()
    for step in view.steps:
        lines.append(step.text.rstrip("\n"), style=style_of(step))
        lines.append(f"\n  value {step.before}")
        lines.append(f"  {step.before_interval}" if step.before_interval else "", style="dim")
        lines.append("\n  advantage ")
        lines.append(step.advantage, style="" if step.noise == "noise" else "bold")
        lines.append(f"  {step.change_interval}\n" if step.change_interval else "\n", style="dim")
    return lines.append(f"reward {view.reward}: {view.ended}", style="dim")


def style_of(step: StepView) -> str:
    """Letters and ground, both set: a terminal may be light or dark."""
    if step.sign == "none":
        return ""
    end = PLUS if step.sign == "plus" else MINUS
    share = step.tint / 100
    ground = [round(paper + share * (colour - paper)) for paper, colour in zip(PAPER, end, strict=True)]
    return f"{WHITE if step.tint > DEEP else INK} on #{''.join(f'{part:02x}' for part in ground)}"


def legend(scale: str, *, has_intervals: bool) -> Text:
    """What colours and boldness mean."""
    bold = ("Bold", "bold")
    ranges = (" Ranges are 95 % intervals. ", bold, ": the interval of the change excludes 0.")
    return Text.assemble(
        ("blue", f"{WHITE} on #{''.join(f'{part:02x}' for part in PLUS)}"),
        " the step raised the value, ",
        ("orange", f"{WHITE} on #{''.join(f'{part:02x}' for part in MINUS)}"),
        f" it lowered it; full colour at {scale}.",
        *(ranges if has_intervals else (" This credit has no intervals; credit=vine measures some.",)),
    )
