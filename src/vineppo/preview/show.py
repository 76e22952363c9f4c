"""Steps as a person sees them: coloured in a terminal, with separators everywhere, and their statistics."""

from collections import Counter
from collections.abc import Sequence
from math import ceil
from statistics import fmean, median

from rich.console import Console
from rich.text import Text

from vineppo.config.estimate import align
from vineppo.preview.cut import Cut

COLOURS = ("#56b4e9", "#e69f00")
"""Sky blue and orange of the palette by Okabe and Ito, which colour-blind people tell apart."""
SEPARATOR = "│"
"""Between steps; not a letter of any language or of LaTeX."""
CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {0x7F: 0x2421}
"""A solution must not steer the terminal: control characters are shown by their pictures."""
BINS, BAR = 12, 40
"""Of the histogram: most lines, and characters of the longest bar."""


def show(cuts: Sequence[Cut], *, unit: str, shown: int, notes: Sequence[str]) -> None:
    """Print some solutions, then statistics of all."""
    console = Console(highlight=False)
    for number, cut in enumerate(cuts[:shown], 1):
        steps = "1 step" if len(cut.steps) == 1 else f"{len(cut.steps)} steps"
        units = unit if cut.length == 1 else f"{unit}s"
        console.print(Text(f"--- solution {number}: {steps}, {cut.length} {units}", style="bold"), soft_wrap=True)
        console.print(colour(cut.steps), soft_wrap=True)
        console.print()
    for line in [*statistics(cuts, unit), "", *histogram([len(cut.steps) for cut in cuts]), *notes]:
        console.print(Text(line), soft_wrap=True)


def colour(steps: Sequence[str]) -> Text:
    """Steps in alternating colours, separated so that they can be told apart without."""
    text = Text()
    for number, step in enumerate(steps):
        if number:
            text.append(SEPARATOR, style="bold")
        text.append(step.translate(CONTROLS), style=COLOURS[number % len(COLOURS)])
    return text


def statistics(cuts: Sequence[Cut], unit: str) -> list[str]:
    """A table of steps per solution and of lengths."""
    rows = {
        "steps per solution": [len(cut.steps) for cut in cuts],
        f"{unit}s per step": [length for cut in cuts for length in cut.lengths],
        f"{unit}s per solution": [cut.length for cut in cuts],
    }
    head = (f"{len(cuts):,} solution{'s' * (len(cuts) != 1)}", "mean", "median", "p90", "most")
    return align([head, *((name, *figures(values)) for name, values in rows.items())])


def figures(values: Sequence[int]) -> tuple[str, ...]:
    """Mean, median, the value that nine of ten do not exceed, and the largest."""
    ordered = sorted(values) or [0]
    p90 = ordered[ceil(0.9 * len(ordered)) - 1]
    return f"{fmean(ordered):.1f}", f"{median(ordered):g}", f"{p90}", f"{ordered[-1]}"


def histogram(counts: Sequence[int]) -> list[str]:
    """How many solutions have how many steps: a line a bin, of equal width."""
    low, high = min(counts), max(counts)
    width = ceil((high - low + 1) / BINS)
    bins = Counter((count - low) // width for count in counts)
    longest = max(bins.values())
    rows = [("steps", "solutions", "")]
    for index in range((high - low) // width + 1):
        first = low + index * width
        name = f"{first}" if width == 1 else f"{first}-{first + width - 1}"
        rows.append((name, f"{bins[index]:,}", "█" * ceil(BAR * bins[index] / longest)))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return [f"{name.rjust(widths[0])}  {number.rjust(widths[1])}  {bar}".rstrip() for name, number, bar in rows]
