"""Bars lying side by side, one row a source, as figures with their own text."""

from collections.abc import Sequence
from dataclasses import dataclass

from vineppo.report.drawing import Area, Axis, Drawing, Label, Shape, diamonds, polyline, rectangle

ROW, FOOT = 27.0, 40.0
"""Pixels of one row, and below the last one."""
THICK = 12.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One row."""

    name: str
    ink: str
    value: float | None
    """None: not measured."""
    text: str
    """The value, for readers."""
    interval: tuple[float, float] | None = None
    sure: float | None = None
    """A second reading, drawn as a diamond."""
    sure_text: str = ""


def bar_figure(
    title: str, bars: Sequence[Bar], axis: Axis, *, guide: tuple[float, str] | None = None, right: float = 58
) -> Drawing:
    """Rows from the axis' low end; `guide` is an upright line with a name."""
    head = 22.0 if guide else 8.0
    area = Area(x=axis, y=Axis(low=0, high=1), width=360, height=head + ROW * len(bars) + FOOT, left=72, right=right)
    foot = area.height - FOOT
    shapes = [
        Shape(kind="grid", path=polyline([(_across(area, tick), head), (_across(area, tick), foot)]))
        for tick, _ in axis.ticks
    ]
    labels = [label for label in area.words() if label.text]
    for row, bar in enumerate(bars):
        middle = head + ROW * (row + 0.5)
        shapes += _row_shapes(area, bar, middle)
        labels.append(Label(text=bar.name, x=area.left - 8, y=middle + 4, kind="name", anchor="end"))
        labels.append(Label(text=bar.text, x=area.width - right + 8, y=middle + 4, kind="value", anchor="start"))
    if guide is not None:
        at = _across(area, guide[0])
        shapes.append(Shape(kind="guide", path=polyline([(at, head - 4), (at, foot)])))
        labels.append(Label(text=guide[1], x=at, y=head - 9))
    spoken = "; ".join(f"{bar.name} {bar.text}" for bar in bars)
    line = f" {guide[1]}: {guide[0]:.2f}." if guide else ""
    return Drawing(
        title=title,
        summary=f"{spoken}.{line}",
        width=area.width,
        height=area.height,
        shapes=tuple(shapes),
        labels=tuple(labels),
    )


def _row_shapes(area: Area, bar: Bar, middle: float) -> list[Shape]:
    shapes = []
    if bar.value is not None:
        ends = sorted((_across(area, max(0.0, area.x.low)), _across(area, bar.value)))
        box = rectangle(ends[0], middle - THICK / 2, max(ends[1] - ends[0], 1.0), THICK)
        shapes.append(Shape(kind="bar", ink=bar.ink, path=box, title=f"{bar.name}: {bar.text}"))
    if bar.interval is not None:
        low, high = (_across(area, end) for end in bar.interval)
        path = f"M{low:g},{middle:g}H{high:g}M{low:g},{middle - 3:g}v6M{high:g},{middle - 3:g}v6"
        shapes.append(Shape(kind="whisker", path=path))
    if bar.sure is not None:
        shapes.append(Shape(kind="sure", path=diamonds([(_across(area, bar.sure), middle)], 5), title=bar.sure_text))
    return shapes


def _across(area: Area, value: float) -> float:
    """Pixels, kept inside the plotting area."""
    return area.place((min(max(value, area.x.low), area.x.high), 0))[0]
