"""Charts: each is a Vega-Lite specification, and drawn as SVG when its page or its file is written.

A page needs no script to show a chart, and one drawing serves light and dark: its colours are variables of the style
sheet (`colours.py`). The page's own script only tells what a curve is worth where someone points.
"""

import json
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from markupsafe import Markup

from vineppo.report.colours import dashes, variable
from vineppo.report.text import NOTHING, Unit, quantity

Spec = dict[str, Any]
"""A Vega-Lite view, or a part of one."""
Point = tuple[float, float]
Size = tuple[int, int]
"""Width and height in pixels: a page stretches a drawing to its column, text and all."""

VEGA_LITE = "6.4"
TALL, LOW, SHORT = ((420, 250),), ((420, 150),), ((330, 150),)
WIDE = ((1000, 400), (390, 300))
"""A second size is for phones."""
FEW = 40
"""Points of a curve that are drawn as dots; more would merge into a thick line."""

_SOFT, _INK, _LINE, _CARD = variable("soft"), variable("ink"), variable("line"), variable("card")
CONFIG: Spec = {
    "aria": False,  # what a drawing shows is said by whatever holds it
    "background": None,
    "font": "sans-serif",
    "padding": 2,
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": _LINE,
        "labelColor": _SOFT,
        "labelFontSize": 11,
        "labelPadding": 6,
        "titleColor": _SOFT,
        "titleFontSize": 11.5,
        "titleFontWeight": "normal",
    },
    "axisX": {"grid": False, "labelFlush": False},
    "axisY": {"minExtent": 36},
    "title": {"color": _INK, "fontSize": 12, "fontWeight": 600, "anchor": "start", "offset": 12},
    "legend": {"labelColor": _INK, "labelFontSize": 11, "symbolOpacity": 1, "symbolStrokeWidth": 3, "title": None},
    "line": {"strokeWidth": 2, "strokeCap": "round", "strokeJoin": "round"},
    "text": {"color": _INK, "fontSize": 11},
}
STYLES: dict[str, Spec] = {
    "band": {"opacity": 0.14},
    "thin": {"strokeWidth": 1, "opacity": 0.4},
    "dot": {"size": 30, "opacity": 1},
    "guide": {"color": _SOFT, "strokeDash": (3, 3), "strokeWidth": 1},
    "guide-name": {"color": _SOFT, "dy": -8},
    "guide-foot": {"color": _SOFT, "dy": -8, "dx": 4, "align": "left"},
    "cloud": {"opacity": 0.4, "size": 16},
    "root": {"shape": "diamond", "fill": _CARD, "opacity": 0.9, "size": 40},
    "means": {"color": _INK, "strokeWidth": 1.25},
    "mean": {"color": _INK, "opacity": 1, "size": 40},
    "whisker": {"color": _INK, "ticks": {"size": 6}},
    "sure": {"shape": "diamond", "fill": _CARD, "stroke": _INK, "opacity": 1, "size": 60},
    "value": {"align": "left", "dx": 8, "fontWeight": 600},
}
"""How marks look beyond their kind."""
FORMATS: dict[Unit, Spec] = {
    "share": {"format": "%"},
    "number": {},
    "count": {"format": "~s"},
    "seconds": {},
}
"""How ticks are written."""
PERCENT = {
    "decimal": ".",
    "thousands": ",",
    "grouping": [3],
    "currency": ["", ""],
    "percent": "\N{NARROW NO-BREAK SPACE}%",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """A quantity over another. A part of a stack is one, too."""

    name: str
    ink: str
    points: Sequence[Point]
    band: Sequence[tuple[float, float, float]] = ()
    """(x, low, high)."""
    plus_minus: bool = False
    """The band is a standard error to either side, and is written after the value."""
    faint: bool = False
    """A thin line."""
    aside: bool = False
    """Drawn, but neither named nor read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """What an axis stands for."""

    unit: Unit = "number"
    label: str = ""
    reading: str = "{}"
    """A quantity of it, as the page's pointer says it."""
    from_zero: bool = True
    """Whether it starts at 0, or where the data does."""
    span: tuple[float, float] | None = None
    """Its ends; None: round numbers that enclose the data."""
    whole: bool = False
    powers: int = 0
    """Ticks are powers of this, equally apart; 0: values are."""
    ticks: int = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """All that the template shows. No specification: not measured."""

    title: str
    note: str = ""
    spec: Spec | None = None
    sizes: tuple[Size, ...] = TALL
    summary: str = ""
    """What it shows, for those who do not see it and cannot ask the pointer."""
    readings: tuple[tuple[Curve, str], ...] = ()
    """Every curve that is named, and its last value, until someone points elsewhere."""
    data: str = ""
    """JSON for the page's pointer: the axis' `span`, places `x` on it, their names `when`, and `text[reading][i]`.

    Charts of one `axis` are read together. Empty: none.
    """

    def drawings(self) -> list[Markup]:
        """One SVG a size."""
        return [draw(self.spec, size) for size in self.sizes] if self.spec else []


# --- drawing -----------------------------------------------------------------------------------------------------


def draw(spec: Spec, size: Size | None = None) -> Markup:
    """The SVG of a view in a size, or of views side by side, which have their own. Text in it is escaped."""
    fitted = (
        {}
        if size is None
        else {"autosize": {"type": "fit", "contains": "padding"}, "width": size[0], "height": size[1]}
    )
    return drawn(json.dumps({**spec, **fitted}))


@lru_cache(maxsize=64)
def drawn(spec: str) -> Markup:
    """The SVG of a view in JSON. Kept: the reports after a run's last evaluation and at its end are alike."""
    # late: a process that draws nothing is spared the engine
    from vl_convert import vegalite_to_svg

    return Markup(vegalite_to_svg(json.loads(spec), VEGA_LITE, config=CONFIG, format_locale=PERCENT))


def side_by_side(charts: Sequence[Chart], columns: int) -> Spec:
    """Each under its title. Sizes are of plotting areas here, so that axes stand in rows."""
    shown = [(chart.title, chart.spec, *chart.sizes[0]) for chart in charts if chart.spec]
    views = [{"title": title, **spec, "width": w - 110, "height": h - 60} for title, spec, w, h in shown]
    apart = dict.fromkeys(("color", "strokeDash", "x", "y"), "independent")
    return {"concat": views, "columns": columns, "spacing": 24, "padding": 12, "resolve": {"scale": apart}}


# --- axes --------------------------------------------------------------------------------------------------------


def channel(field: str, side: Side, values: Sequence[float]) -> Spec:
    """A field on an axis that encloses the values."""
    exact = {"domain": side.span, "nice": False}
    scale = {"domain": reach(values, side.from_zero), "nice": side.ticks} if side.span is None else exact
    powers = {"type": "log", "base": side.powers} if side.powers else {"zero": False}
    whole = {"tickMinStep": 1} if side.whole else {}
    return {
        "field": field,
        "type": "quantitative",
        "title": side.label or None,
        "scale": {**powers, **scale},
        "axis": {"tickCount": side.ticks, **FORMATS[side.unit], **whole},
    }


def reach(values: Sequence[float], from_zero: bool) -> tuple[float, float]:
    """From the least to the greatest; a flat curve gets some room."""
    low, high = min(values), max(values)
    low, high = (min(low, 0.0), max(high, 0.0)) if from_zero else (low, high)
    if high - low > 1e-9 * max(abs(low), abs(high)):
        return low, high
    return (low - abs(low) / 10, high + abs(high) / 10) if low else (0.0, 1.0)


def paint(curves: Sequence[Curve], *, legend: bool = False) -> Spec:
    """Colour and dashes by name."""
    inks = {curve.name: curve.ink for curve in curves}
    keys = {"orient": "right", "symbolType": "stroke"} if legend else None
    named = {"field": "name", "type": "nominal", "legend": keys}
    return {
        "color": {**named, "scale": {"domain": list(inks), "range": [variable(ink) for ink in inks.values()]}},
        "strokeDash": {**named, "scale": {"domain": list(inks), "range": [dashes(ink) for ink in inks.values()]}},
    }


# --- curves and stacks -------------------------------------------------------------------------------------------


def curve_chart(blank: Chart, curves: Sequence[Curve], x: Side, y: Side) -> Chart:
    """Curves drawn into a chart that has only its title yet."""
    curves = [curve for curve in curves if curve.points]
    if not curves:
        return blank
    x, size = in_long_units(x, [at for curve in curves for at, _ in curve.points])
    x = replace(x, span=x.span or reach([at / size for curve in curves for at, _ in curve.points], x.from_zero))
    chart = replace(blank, spec=curve_spec(curves, x, y, size))
    return readable(chart, curves, x, y, between=True, size=size)


def curve_spec(
    curves: Sequence[Curve], x: Side, y: Side, size: float = 1.0, *, legend: bool = False, below: Sequence[Spec] = ()
) -> Spec:
    """Bands below thin lines below lines; few points are dots, too. `size`: what a unit of the axis is worth."""
    places = [
        {"x": x / size, "y": y, "name": curve.name, "curve": i, "place": place, "faint": curve.faint}
        for i, curve in enumerate(curves)
        for place, (x, y) in enumerate(curve.points)
    ]
    bands = [
        {"x": x / size, "low": low, "high": high, "name": curve.name, "curve": i}
        for i, curve in enumerate(curves)
        for x, low, high in curve.band
    ]
    heights = [place["y"] for place in places] + [band[edge] for band in bands for edge in ("low", "high")]
    few = [place for place in places if not place["faint"] and len(curves[place["curve"]].points) <= FEW]
    return {
        "encoding": {
            "x": channel("x", x, ()),
            "y": channel("y", y, heights),
            "detail": {"field": "curve"},
            "order": {"field": "place"},
            **paint(curves, legend=legend),
        },
        "layer": [
            *below,
            layer("area", bands, "band", y={"field": "low"}, y2={"field": "high"}),
            layer("line", [place for place in places if place["faint"]], "thin"),
            layer("line", [place for place in places if not place["faint"]]),
            layer("circle", few, "dot"),
        ],
    }


def layer(mark: str, values: Sequence[Spec], style: str = "", **encoding: Spec | None) -> Spec:
    """Marks of one kind and style, and what they are drawn from."""
    return {"mark": {"type": mark, **STYLES.get(style, {})}, "data": {"values": values}, "encoding": encoding}


def stacked_chart(blank: Chart, parts: Sequence[Curve], x: Side, y: Side) -> Chart:
    """Upright bars, one a whole number, their parts on each other. A part that was not measured takes no room."""
    places = sorted({at for part in parts for at, _ in part.points})
    if not places:
        return blank
    x = replace(x, span=x.span or (places[0] - 0.5, places[-1] + 0.5))
    totals: Counter[float] = Counter()
    for part in parts:
        totals.update(dict(part.points))
    # gaps between hundreds of bars would only wash out their colour
    half = 0.4 if len(places) <= 60 else 0.5
    boxes = [
        {"x": at - half, "end": at + half, "height": height, "name": part.name}
        for part in parts
        for at, height in part.points
    ]
    encoding = {
        "x": channel("x", x, ()),
        "x2": {"field": "end"},
        "y": channel("high", y, list(totals.values())),
        "y2": {"field": "low"},
        **paint(parts),
    }
    spec = layer("rect", boxes, **encoding)
    spec["transform"] = [{"stack": "height", "groupby": ["x"], "as": ["low", "high"]}]
    return readable(replace(blank, spec=spec), parts, x, y, between=False)


def in_long_units(side: Side, values: Sequence[float]) -> tuple[Side, float]:
    """Long times are told in minutes or hours: the axis, and what one of its units is worth."""
    if side.unit != "seconds" or not side.label:
        return side, 1.0
    high = max(values)
    size, word = (3600.0, "hours") if high > 7200 else (60.0, "minutes") if high > 120 else (1.0, "seconds")
    return replace(side, label=f"{side.label}, {word}"), size


# --- what the pointer reads --------------------------------------------------------------------------------------


def readable(chart: Chart, curves: Sequence[Curve], x: Side, y: Side, *, between: bool, size: float = 1.0) -> Chart:
    """With the last value of every curve, and what the pointer reads elsewhere.

    `between` a curve's points too, on the straight line. There is no pointer where a curve turns back, and so has two
    heights at one place.
    """
    named = [curve for curve in curves if not curve.aside]
    places = sorted({at for curve in named for at, _ in curve.points})
    texts = [texts_at(curve, places, y.unit, between=between) for curve in named]
    data = {
        "axis": x.label,
        "span": x.span,
        "x": [at / size for at in places],
        "when": [x.reading.format(quantity(at, x.unit)) for at in places],
        "text": texts,
    }
    turns = any(after[0] < before[0] for curve in named for before, after in pairwise(curve.points))
    latest = [text[bisect_left(places, curve.points[-1][0])] for curve, text in zip(named, texts, strict=True)]
    return replace(
        chart,
        data="" if turns else json.dumps(data, separators=(",", ":")),
        readings=tuple(zip(named, latest, strict=True)),
    )


def texts_at(curve: Curve, places: Sequence[float], unit: Unit, *, between: bool) -> list[str]:
    """What a curve is worth at each place."""
    known, xs = dict(curve.points), [x for x, _ in curve.points]
    lines = np.interp(places, xs, [y for _, y in curve.points], left=math.nan, right=math.nan)
    errors = {x: (high - low) / 2 for x, low, high in curve.band if curve.plus_minus}
    texts = []
    for at, line in zip(places, lines.tolist(), strict=True):
        height = known.get(at, line if between else math.nan)
        error = f" ± {quantity(errors[at], unit)}" if at in errors else ""
        texts.append(NOTHING if math.isnan(height) else quantity(height, unit) + error)
    return texts


def running_mean(values: Sequence[float], window: int) -> list[float]:
    """Each value averaged with up to `window - 1` before it."""
    recent = [values[max(0, i + 1 - window) : i + 1] for i in range(len(values))]
    return [math.fsum(part) / len(part) for part in recent]
