"""Curves and stacked bars as SVG paths in a square that the page stretches to any size.

A chart is a plain record: the template draws it. Strokes do not scale with the square and labels are HTML, so the
same chart is crisp on a phone and on a wide screen, in light and in dark.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from vineppo.report.text import MINUS, NOTHING, THIN, Unit, count, quantity

SIDE = 1000.0
"""The drawing square is SIDE x SIDE."""

Point = tuple[float, float]
Bar = tuple[float, float, float]
"""Where it stands, bottom, top."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One quantity of a chart, over the chart's iterations."""

    name: str
    values: Sequence[float | None]
    ink: str
    """The style sheet's name of its colour."""
    errors: Sequence[float | None] = ()
    """Standard errors, drawn as a band and written after the value."""
    dots: bool = False
    faint: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One SVG path."""

    kind: str
    """`line`, `faint`, `dots`, `band` or `bars`."""
    ink: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """A label on an axis, in percent of the axis' length."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The text beside a layer's name: its value at the last iteration, until someone points elsewhere."""

    name: str
    ink: str
    latest: str
    faint: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """All that the template draws. No marks: not measured."""

    title: str
    note: str = ""
    marks: tuple[Mark, ...] = ()
    x_ticks: tuple[Tick, ...] = ()
    y_ticks: tuple[Tick, ...] = ()
    readings: tuple[Reading, ...] = ()
    data: str = "{}"
    """JSON for the page's pointer: places `x` on the axis, `at` in percent of its length, and `text[layer][i]`.

    `when` says where that is in words (absent: `iteration x`); charts of one `axis` are read together. `{}`: none.
    """
    x_label: str = ""
    """What the horizontal axis counts; empty: iterations, which the page says once for all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Axes:
    """What a chart's axes stand for."""

    span: tuple[float, float]
    """The first and the last iteration shown."""
    unit: Unit = "number"
    from_zero: bool = True
    """Whether values start at 0, or where the data does."""
    intervals: int = 3
    """About so many between ticks, on either axis."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """The ranges that the square's sides stand for."""

    x: tuple[float, float]
    y: Sequence[float]
    """The ticks, evenly apart: the first and the last are the edges."""

    @classmethod
    def around(cls, axes: Axes, low: float, high: float) -> "Frame":
        """Half an iteration of room on either side, for bars; whole ticks above and below."""
        return cls(x=(axes.span[0] - 0.5, axes.span[1] + 0.5), y=nice_ticks(low, high, axes.intervals))

    def across(self, x: float) -> float:
        """Iteration to the square's horizontal."""
        return SIDE * (x - self.x[0]) / (self.x[1] - self.x[0])

    def down(self, y: float) -> float:
        """Value to the square's vertical, which points down."""
        return SIDE * (1 - (y - self.y[0]) / (self.y[-1] - self.y[0]))

    def place(self, point: Point) -> Point:
        """(iteration, value) to the square."""
        return self.across(point[0]), self.down(point[1])


# --- axes --------------------------------------------------------------------------------------------------------


def nice_ticks(low: float, high: float, intervals: int, smallest: float = 0.0) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten that enclose low..high in about so many intervals."""
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        # a flat curve needs some room; from 0 it needs room upwards only
        low, high = (low - abs(low) / 10, high + abs(high) / 10) if low else (0.0, 1.0)
    rough = max((high - low) / intervals, smallest)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    begin, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(begin, end + 1)]


def tick_label(value: float, step: float, unit: Unit) -> str:
    """As many decimals as the distance between two ticks asks for."""
    scaled, step = (100 * value, 100 * step) if unit == "share" else (value, step)
    if abs(scaled) >= 10_000:
        return count(scaled).replace(".0", "")
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    digits = f"{scaled:.{decimals}f}" if decimals <= 4 else f"{scaled:.2g}"
    digits = digits.replace("-", MINUS)
    return f"{digits}{THIN}%" if unit == "share" else digits


def iteration_ticks(frame: Frame, axes: Axes) -> tuple[Tick, ...]:
    """Whole iterations inside the span."""
    ticks = nice_ticks(*axes.span, axes.intervals, smallest=1.0)
    inside = [x for x in ticks if axes.span[0] <= x <= axes.span[1]]
    return tuple(Tick(at=_round(frame.across(x) / 10), label=f"{x:.0f}") for x in inside)


def value_ticks(frame: Frame, unit: Unit) -> tuple[Tick, ...]:
    """The values that the frame's height was cut by."""
    step = frame.y[1] - frame.y[0]
    return tuple(Tick(at=_round(frame.down(y) / 10), label=tick_label(y, step, unit)) for y in frame.y)


# --- paths -------------------------------------------------------------------------------------------------------


def line_path(points: Sequence[Point]) -> str:
    """A polyline."""
    return " ".join(f"{'L' if i else 'M'}{_place(point)}" for i, point in enumerate(points))


def dots_path(points: Sequence[Point]) -> str:
    """Lines too short to see: their round ends are dots that stay round however the square is stretched."""
    return " ".join(f"M{_place(point)}h.01" for point in points)


def band_path(upper: Sequence[Point], lower: Sequence[Point]) -> str:
    """The area between two polylines over the same iterations."""
    return f"{line_path([*upper, *reversed(lower)])} Z"


def bars_path(bars: Sequence[Bar], frame: Frame, width: float) -> str:
    """Upright bars, `width` iterations wide."""
    pieces = []
    for x, bottom, top in bars:
        left, right = frame.across(x - width / 2), frame.across(x + width / 2)
        pieces.append(f"M{_place((left, frame.down(bottom)))}V{_round(frame.down(top))}H{_round(right)}")
        pieces.append(f"V{_round(frame.down(bottom))}Z")
    return "".join(pieces)


def _place(point: Point) -> str:
    return f"{_round(point[0])},{_round(point[1])}"


def _round(value: float) -> float:
    return round(value, 2)


# --- charts ------------------------------------------------------------------------------------------------------


def line_chart(blank: Chart, xs: Sequence[float], layers: Sequence[Layer], axes: Axes) -> Chart:
    """Curves over iterations, drawn into a chart that has only its title yet."""
    reach = [edge for layer in layers for edges in _with_errors(layer) for edge in edges]
    if not reach:
        return blank
    frame = Frame.around(axes, min(0.0, *reach) if axes.from_zero else min(reach), max(reach))
    marks = [mark for layer in layers for mark in _line_marks(layer, xs, frame)]
    return _filled(blank, frame, marks, xs, layers, axes)


def stacked_chart(blank: Chart, xs: Sequence[float], layers: Sequence[Layer], axes: Axes) -> Chart:
    """One bar an iteration, its parts on top of each other. A part that was not measured takes no room."""
    if not any(value is not None for layer in layers for value in layer.values):
        return blank
    heights = [[value or 0.0 for value in layer.values] for layer in layers]
    tops = list(accumulate(heights, lambda below, own: [b + h for b, h in zip(below, own, strict=True)]))
    frame = Frame.around(axes, 0.0, max(tops[-1]))
    # gaps between hundreds of bars would only wash out their colour
    width = 0.8 if len(xs) <= 60 else 1.0
    marks = [
        Mark(kind="bars", ink=layer.ink, path=bars_path(list(zip(xs, below, top, strict=True)), frame, width))
        for layer, (below, top) in zip(layers, pairwise([[0.0] * len(xs), *tops]), strict=True)
    ]
    return _filled(blank, frame, marks, xs, layers, axes)


def running_mean(values: Sequence[float], window: int) -> list[float]:
    """Each value averaged with up to `window - 1` before it."""
    return [
        math.fsum(part) / len(part) for part in (values[max(0, i + 1 - window) : i + 1] for i in range(len(values)))
    ]


def _with_errors(layer: Layer) -> list[tuple[float, float]]:
    """(lower, upper) edge of every measured value."""
    errors = layer.errors or [None] * len(layer.values)
    pairs = zip(layer.values, errors, strict=True)
    return [(value - (error or 0.0), value + (error or 0.0)) for value, error in pairs if value is not None]


def _line_marks(layer: Layer, xs: Sequence[float], frame: Frame) -> list[Mark]:
    measured = [(x, value) for x, value in zip(xs, layer.values, strict=True) if value is not None]
    points = [frame.place(point) for point in measured]
    marks = [Mark(kind="faint" if layer.faint else "line", ink=layer.ink, path=line_path(points))]
    if layer.errors:
        edges = [(x, *edge) for (x, _), edge in zip(measured, _with_errors(layer), strict=True)]
        upper = [frame.place((x, high)) for x, _, high in edges]
        lower = [frame.place((x, low)) for x, low, _ in edges]
        marks.insert(0, Mark(kind="band", ink=layer.ink, path=band_path(upper, lower)))
    # a single point makes no line
    if layer.dots or len(points) == 1:
        marks.append(Mark(kind="dots", ink=layer.ink, path=dots_path(points)))
    return marks


def _filled(
    blank: Chart, frame: Frame, marks: Sequence[Mark], xs: Sequence[float], layers: Sequence[Layer], axes: Axes
) -> Chart:
    texts = [_texts(layer, axes.unit) for layer in layers]
    data = {"x": [int(x) for x in xs], "at": [_round(frame.across(x) / 10) for x in xs], "text": texts}
    return replace(
        blank,
        marks=tuple(marks),
        x_ticks=iteration_ticks(frame, axes),
        y_ticks=value_ticks(frame, axes.unit),
        readings=tuple(
            Reading(name=layer.name, ink=layer.ink, latest=text[-1], faint=layer.faint)
            for layer, text in zip(layers, texts, strict=True)
        ),
        data=json.dumps(data, separators=(",", ":")),
    )


def _texts(layer: Layer, unit: Unit) -> list[str]:
    errors = layer.errors or [None] * len(layer.values)
    return [
        (NOTHING if value is None else quantity(value, unit)) + ("" if error is None else f" ± {quantity(error, unit)}")
        for value, error in zip(layer.values, errors, strict=True)
    ]
