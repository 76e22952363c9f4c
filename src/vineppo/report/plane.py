"""Curves over anything: every curve has points of its own, on an axis with a unit.

`curves` draws what shares its iterations; here experiments are drawn over updates, seconds, tokens or KL. The chart
that comes out is the same record, so the same template draws it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from vineppo.report.curves import (
    Chart,
    Frame,
    Mark,
    Point,
    Reading,
    Tick,
    band_path,
    dots_path,
    line_path,
    nice_ticks,
    tick_label,
    value_ticks,
)
from vineppo.report.text import NOTHING, Unit, quantity


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """One curve."""

    name: str
    ink: str
    """The style sheet's name of its colour and dashes."""
    points: Sequence[Point]
    band: Sequence[tuple[float, float, float]] = ()
    """(x, low, high)"""
    faint: Sequence[Sequence[Point]] = ()
    """What it is the mean of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One axis."""

    unit: Unit
    label: str = ""
    """What it counts."""
    word: str = ""
    """After a quantity, e.g. updates; empty where the unit says it."""
    from_zero: bool = True
    intervals: int = 4


def plane_chart(blank: Chart, curves: Sequence[Curve], x: Side, y: Side) -> Chart:
    """Curves drawn into a chart that has only its title yet."""
    reach = [point for curve in curves for points in (curve.points, *curve.faint) for point in points]
    reach += [(at, edge) for curve in curves for at, *edges in curve.band for edge in edges]
    if not reach:
        return blank
    across, size, caption = _scaled([point[0] for point in reach], x)
    heights = [point[1] for point in reach]
    low = min(0.0, *heights) if y.from_zero else min(heights)
    frame = Frame(x=(across[0] * size, across[-1] * size), y=nice_ticks(low, max(heights), y.intervals))
    return replace(
        blank,
        marks=tuple(mark for curve in curves for mark in _marks(curve, frame)),
        x_ticks=tuple(
            Tick(at=round(frame.across(at * size) / 10, 2), label=tick_label(at, across[1] - across[0], x.unit))
            for at in across
        ),
        y_ticks=value_ticks(frame, y.unit),
        readings=tuple(
            Reading(name=curve.name, ink=curve.ink, latest=_last(curve, y.unit), faint=False) for curve in curves
        ),
        data=_pointer_data(curves, frame, x, y),
        x_label=caption,
    )


def _scaled(values: Sequence[float], side: Side) -> tuple[list[float], float, str]:
    """Ticks, what one of their units is worth, and the caption: long times are told in minutes or hours."""
    low, high = (min(0.0, *values) if side.from_zero else min(values)), max(values)
    size, caption = 1.0, side.label
    if side.unit == "seconds":
        size, word = (3600.0, "hours") if high > 7200 else (60.0, "minutes") if high > 120 else (1.0, "seconds")
        caption = f"{side.label}, {word}"
    return nice_ticks(low / size, high / size, side.intervals), size, caption


def _marks(curve: Curve, frame: Frame) -> list[Mark]:
    marks = []
    if curve.band:
        upper = [frame.place((x, high)) for x, _, high in curve.band]
        lower = [frame.place((x, low)) for x, low, _ in curve.band]
        marks.append(Mark(kind="band", ink=curve.ink, path=band_path(upper, lower)))
    marks += [
        Mark(kind="faint", ink=curve.ink, path=line_path([frame.place(point) for point in points]))
        for points in curve.faint
    ]
    points = [frame.place(point) for point in curve.points]
    marks.append(Mark(kind="line", ink=curve.ink, path=line_path(points)))
    if len(points) <= 40:
        marks.append(Mark(kind="dots", ink=curve.ink, path=dots_path(points)))
    return marks


def _last(curve: Curve, unit: Unit) -> str:
    return quantity(curve.points[-1][1], unit) if curve.points else NOTHING


def _pointer_data(curves: Sequence[Curve], frame: Frame, x: Side, y: Side) -> str:
    """What the page's pointer reads at each place; nothing where a curve turns back, and so has two heights there."""
    if any(after[0] < before[0] for curve in curves for before, after in pairwise(curve.points)):
        return "{}"
    places = sorted({point[0] for curve in curves for point in curve.points})
    texts = [
        [NOTHING if (height := _height(curve.points, at)) is None else quantity(height, y.unit) for at in places]
        for curve in curves
    ]
    data = {
        "x": places,
        "at": [round(frame.across(at) / 10, 2) for at in places],
        "text": texts,
        "when": [f"{quantity(at, x.unit)} {x.word}".strip() for at in places],
        "axis": x.label,
    }
    return json.dumps(data, separators=(",", ":"))


def _height(points: Sequence[Point], x: float) -> float | None:
    """On the straight lines between the points; None outside."""
    for (left, low), (right, high) in pairwise(points):
        if left <= x <= right:
            return high if right == left else low + (high - low) * (x - left) / (right - left)
    return points[0][1] if len(points) == 1 and points[0][0] == x else None
