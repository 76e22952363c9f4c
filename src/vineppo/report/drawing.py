"""Figures with their own text, as SVG: they stand on a page of ours, and alone in a document.

Coordinates are pixels of a small figure, about as wide as a phone. On a page the style sheet gives the colours; a
figure that stands alone carries its own, for light and for dark.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import log2

from jinja2 import Environment, PackageLoader, StrictUndefined

from vineppo.report.curves import Point, band_path, nice_ticks, tick_label
from vineppo.report.text import Unit

FOOT, HEAD, LEFT, RIGHT = 40.0, 14.0, 42.0, 16.0
"""Room around the plotting area."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """One SVG path."""

    kind: str
    """The style sheet's name of how it is drawn."""
    path: str
    ink: str = ""
    """The style sheet's name of its colour."""
    title: str = ""
    """Shown when someone points at it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """Words in a figure."""

    text: str
    x: float
    y: float
    kind: str = "tick"
    """`tick`, `axis`, `name` or `value`."""
    anchor: str = "middle"
    """`start`, `middle` or `end`."""
    ink: str = ""
    turned: bool = False
    """Read from below upwards."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """A figure."""

    title: str
    summary: str
    """What it shows, for those who do not see it."""
    width: float
    height: float
    shapes: tuple[Shape, ...] = ()
    labels: tuple[Label, ...] = ()
    parts: tuple[tuple[float, float, "Drawing"], ...] = field(default=())
    """Further figures inside it, and where."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """What one side of a plotting area stands for."""

    low: float
    high: float
    label: str = ""
    ticks: tuple[tuple[float, str], ...] = ()
    doubling: bool = False
    """Equal distances are equal ratios."""

    def share(self, value: float) -> float:
        """0 at the low end, 1 at the high end."""
        if self.doubling:
            return (log2(value) - log2(self.low)) / (log2(self.high) - log2(self.low))
        return (value - self.low) / (self.high - self.low)


def even_axis(low: float, high: float, label: str = "", *, unit: Unit = "number", intervals: int = 4) -> Axis:
    """Round ticks that enclose low..high."""
    ticks = nice_ticks(low, high, intervals)
    step = ticks[1] - ticks[0]
    return Axis(low=ticks[0], high=ticks[-1], label=label, ticks=tuple((t, tick_label(t, step, unit)) for t in ticks))


def fixed_axis(ticks: Sequence[float], label: str = "", *, unit: Unit = "number", doubling: bool = False) -> Axis:
    """Exactly these ticks; the first and the last are the ends."""
    step = min(after - before for before, after in pairwise(ticks))
    named = tuple((tick, tick_label(tick, step, unit)) for tick in ticks)
    return Axis(low=ticks[0], high=ticks[-1], label=label, ticks=named, doubling=doubling)


@dataclass(frozen=True, kw_only=True, slots=True)
class Area:
    """A plotting area in a figure."""

    x: Axis
    y: Axis
    width: float
    height: float
    left: float = LEFT
    right: float = RIGHT

    def place(self, point: Point) -> Point:
        """(x, y) to pixels."""
        across = self.left + self.x.share(point[0]) * (self.width - self.left - self.right)
        down = self.height - FOOT - self.y.share(point[1]) * (self.height - FOOT - HEAD)
        return round(across, 1), round(down, 1)

    def grid(self) -> list[Shape]:
        """Lines at the ticks of the upright axis, and the frame's foot."""
        ends = (self.x.low, self.x.high)
        lines = [polyline([self.place((x, tick)) for x in ends]) for tick, _ in self.y.ticks]
        return [Shape(kind="grid", path=line) for line in lines]

    def words(self) -> list[Label]:
        """Ticks and names of both axes."""
        bottom = self.place((self.x.low, self.y.low))[1]
        labels = [Label(text=text, x=self.place((tick, self.y.low))[0], y=bottom + 15) for tick, text in self.x.ticks]
        labels += [
            Label(text=text, x=self.left - 6, y=self.place((self.x.low, tick))[1] + 3.5, anchor="end")
            for tick, text in self.y.ticks
        ]
        middle = self.left + (self.width - self.left - self.right) / 2
        labels.append(Label(text=self.x.label, x=round(middle, 1), y=bottom + 32, kind="axis"))
        if self.y.label:
            centre = HEAD + (self.height - FOOT - HEAD) / 2
            labels.append(Label(text=self.y.label, x=11, y=round(centre, 1), kind="axis", turned=True))
        return labels


# --- paths -------------------------------------------------------------------------------------------------------


def polyline(points: Sequence[Point]) -> str:
    """Straight lines from point to point."""
    return " ".join(f"{'L' if i else 'M'}{x:g},{y:g}" for i, (x, y) in enumerate(points))


def dots(points: Sequence[Point]) -> str:
    """Lines too short to see, whose round ends are dots."""
    return " ".join(f"M{x:g},{y:g}h.01" for x, y in points)


def diamonds(points: Sequence[Point], size: float = 3.5) -> str:
    """Squares on a corner."""
    return " ".join(f"M{x:g},{y - size:g}l{size},{size}l-{size},{size}l-{size},-{size}z" for x, y in points)


def rectangle(left: float, top: float, width: float, height: float) -> str:
    """A box."""
    return f"M{left:g},{top:g}h{width:g}v{height:g}h{-width:g}z"


def ribbon(upper: Sequence[Point], lower: Sequence[Point]) -> str:
    """The area between two lines."""
    return band_path(upper, lower)


def apart(heights: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Where to write labels that belong at these heights, so that none lies on another: in order, within low..high."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    placed = [heights[i] for i in order]
    for index in range(len(placed)):
        floor = low if index == 0 else placed[index - 1] + distance
        placed[index] = max(placed[index], floor)
    for index in reversed(range(len(placed))):
        ceiling = high if index == len(placed) - 1 else placed[index + 1] - distance
        placed[index] = min(placed[index], ceiling)
    back = dict(zip(order, placed, strict=True))
    return [round(back[i], 1) for i in range(len(heights))]


# --- whole figures -----------------------------------------------------------------------------------------------


def side_by_side(title: str, parts: Sequence[Drawing], *, columns: int, heading: bool = True) -> Drawing:
    """Figures in rows, each under its own title."""
    head = 20.0 if heading else 0.0
    width, height = max(part.width for part in parts), max(part.height for part in parts) + head
    placed = [((i % columns) * width, (i // columns) * height, part) for i, part in enumerate(parts)]
    return Drawing(
        title=title,
        summary=" ".join(part.summary for part in parts),
        width=width * min(columns, len(parts)),
        height=height * -(-len(parts) // columns),
        labels=tuple(Label(text=p.title, x=x + 8, y=y + 15, kind="name", anchor="start") for x, y, p in placed)
        if heading
        else (),
        parts=tuple((x, y + head, part) for x, y, part in placed),
    )


def to_svg(drawing: Drawing) -> str:
    """A file that stands alone: on its own card, light or dark as its reader's screen is."""
    environment = Environment(
        loader=PackageLoader("vineppo", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("figure.svg.jinja").render(drawing=drawing)
