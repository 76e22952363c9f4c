"""The figures of an analysis, as charts: on its page, and as SVG files that stand alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path

from vineppo.analysis.records import Analysis, PositionBin, Share, SourceRecord
from vineppo.report.charts import Chart, Curve, Side, Spec, channel, curve_spec, draw, layer, side_by_side
from vineppo.report.colours import COLOURS, variable
from vineppo.report.html import write_page
from vineppo.report.text import count, quantity

ALONG = Side(unit="share", span=(0.0, 1.0), label="place in the response")
SHARE = Side(unit="share", span=(0.0, 1.0))
ANY = Side()
FROM_0_TO_1 = Side(span=(0.0, 1.0))
VINE_INKS = 4
ROW = 27
"""Pixels."""
PERFECT = "perfect"
"""The name of the line that a source without error would have."""
CLAMP: Spec = {"clamp": True}
"""What lies outside the axis is drawn at its end."""
OWN: dict[str, None] = {"color": None, "strokeDash": None}
"""A guide has its own colour, not one of the curves'."""


def source_inks(sources: Sequence[SourceRecord]) -> dict[str, str]:
    """A colour for each source by what it is; vines from pale to strong as K grows."""
    vines = [source.name for source in sources if source.name.startswith("vine")]
    first = max(0, VINE_INKS - len(vines))
    strong = {name: f"vine-{min(first + place, VINE_INKS - 1)}" for place, name in enumerate(vines)}
    inks = {s.name: f"of-{strong.get(s.name, s.name.partition(':')[0])}" for s in sources}
    return {name: ink if ink in COLOURS else "ink" for name, ink in inks.items()}


def figures(analysis: Analysis) -> Mapping[str, tuple[Chart, ...]]:
    """By name; instruments that were not asked for are left out."""
    found = {
        "values": tuple(value_panel(analysis, source) for source in analysis.sources),
        "position": (error_by_position(analysis), bias_by_position(analysis)),
        "rollouts": (reliability_figure(analysis), token_cost(analysis)),
    }
    if analysis.choices:
        found["ranking"] = (best_named(analysis), better_named(analysis))
    if analysis.gradient is not None:
        found["gradient"] = (gradient_noise(analysis), gradient_cosine(analysis))
    return found


def write_figures(analysis: Analysis, folder: Path) -> None:
    """One file a figure."""
    folder.mkdir(exist_ok=True)
    for name, charts in figures(analysis).items():
        if any(chart.spec for chart in charts):
            write_page(stand_alone(charts, columns=3 if name == "values" else 2), folder / f"{name}.svg")


def stand_alone(charts: Sequence[Chart], columns: int) -> str:
    """An SVG that brings its colours, on a card of its own, light or dark as its reader's screen is."""
    light, dark = ("".join(f"--{name}:{pair[i]};" for name, pair in COLOURS.items()) for i in (0, 1))
    style = f"svg{{{light}background:var(--card)}}@media(prefers-color-scheme:dark){{svg{{{dark}}}}}"
    style += 'text{font-family:Arial,"Liberation Sans",Helvetica,sans-serif}'
    told = escape(" ".join(chart.summary for chart in charts))
    head, _, body = draw(side_by_side(charts, columns)).partition(">")
    return f'{head} role="img"><desc>{told}</desc><style>{style}</style>{body}'


# --- values ------------------------------------------------------------------------------------------------------


def value_panel(analysis: Analysis, source: SourceRecord) -> Chart:
    """Every state where the source puts it and where it truly is, and the means of calibration."""
    truths = [state.truth for state in analysis.states]
    ends = (min(0.0, *truths), max(1.0, *truths))
    side = {"domain": ends, "nice": False, **CLAMP}
    states = [
        {"x": value, "y": state.truth, "root": not state.step}
        for value, state in zip(source.values, analysis.states, strict=True)
    ]
    means = [{"x": part.predicted, "y": part.truth} for part in source.calibration.bins]
    ink = {"value": variable(source_inks(analysis.sources)[source.name])}
    spec = {
        "encoding": {
            "x": {**channel("x", Side(label=f"value by {source.name}"), ends), "scale": side},
            "y": {**channel("y", Side(label="true value"), ends), "scale": side},
        },
        "layer": [
            layer("line", [{"x": end, "y": end} for end in ends], "guide"),
            layer("circle", [state for state in states if not state["root"]], "cloud", color=ink),
            layer("point", [state for state in states if state["root"]], "root", stroke=ink),
            layer("line", means, "means"),
            layer("circle", means, "mean"),
        ],
    }
    error = "" if source.steps is None else f" Mean absolute error where steps begin: {source.steps.mae:.3f}."
    return Chart(
        title=source.name,
        summary=f"Values by {source.name} against the truth at {len(states)} states.{error}",
        spec=spec,
        sizes=((300, 290),),
    )


# --- along the response ------------------------------------------------------------------------------------------


def error_by_position(analysis: Analysis) -> Chart:
    """Mean absolute error along the response, and what a perfect source would show."""
    floor = _along(analysis, lambda part: part.mae_floor)[-1]
    return line_figure(
        "Mean absolute error along the response",
        [*_along(analysis, lambda part: part.mae), Curve(name=PERFECT, ink="soft", points=floor.points)],
        ALONG,
    )


def bias_by_position(analysis: Analysis) -> Chart:
    """Predicted minus true along the response."""
    return line_figure(
        "Bias along the response",
        _along(analysis, lambda part: part.bias),
        ALONG,
        guides=[layer("rule", [{"at": 0}], "guide", x=None, y={"field": "at"}, **OWN)],
    )


def _along(analysis: Analysis, read: Callable[[PositionBin], float]) -> list[Curve]:
    inks = source_inks(analysis.sources)
    return [
        Curve(
            name=source.name,
            ink=inks[source.name],
            points=[((part.low + part.high) / 2, read(part)) for part in source.by_position],
        )
        for source in analysis.sources
    ]


def line_figure(title: str, curves: Sequence[Curve], x: Side, y: Side = ANY, guides: Sequence[Spec] = ()) -> Chart:
    """A line a source, each named beside it in the order in which the lines end."""
    curves = sorted((curve for curve in curves if curve.points), key=lambda curve: -curve.points[-1][1])
    if not curves:
        return Chart(title=title)
    told = "; ".join(f"{curve.name} {', '.join(f'{height:.3f}' for _, height in curve.points)}" for curve in curves)
    return Chart(
        title=title,
        summary=f"From left to right: {told}.",
        spec=curve_spec(curves, x, y, legend=True, below=guides),
        sizes=((400, 280),),
    )


# --- bars --------------------------------------------------------------------------------------------------------


def bar_figure(title: str, bars: Sequence[Spec], x: Side, *, guide: tuple[float, str] | None = None) -> Chart:
    """A row a source, from 0: `value`, `text`, and maybe `low` and `high`, `sure` (a diamond), `told`.

    `guide` is an upright line with a name.
    """
    values = [bar[end] or 0.0 for bar in bars for end in ("value", "high") if end in bar]
    x = replace(x, span=x.span or (0.0, 1.05 * max([guide[0] if guide else 0.0, *values])))
    across = channel("value", x, ())
    across["scale"] |= CLAMP
    across["axis"] |= {"grid": True}
    whole = [bar for bar in bars if bar["value"] is not None]
    ends = [bar for bar in bars if bar.get("high") is not None]
    sure = [bar for bar in bars if bar.get("sure") is not None]
    end = {"datum": x.span and x.span[1], "type": "quantitative"}
    layers = [
        layer("bar", whole, x=across, color={"field": "ink", "type": "nominal", "scale": None}, size={"value": 12}),
        layer("errorbar", ends, "whisker", x={**across, "field": "low"}, x2={"field": "high"}),
        layer("point", sure, "sure", x={**across, "field": "sure"}),
        layer("text", bars, "value", x=end, text={"field": "text"}),
        *(upright(*guide, across, {"value": 0}) if guide else ()),
    ]
    names = {"labelColor": variable("ink"), "labelFontSize": 12, "labelFontWeight": 600, "grid": False}
    rows = {"field": "name", "type": "nominal", "sort": [bar["name"] for bar in bars], "title": None, "axis": names}
    spoken = "; ".join(f"{bar['name']} {bar['text']}{bar.get('told', '')}" for bar in bars)
    line = f" {guide[1]}: {guide[0]:.2f}." if guide else ""
    return Chart(
        title=title,
        summary=f"{spoken}.{line}",
        spec={"encoding": {"y": rows}, "layer": layers, "padding": {"left": 2, "right": 56, "top": 2, "bottom": 2}},
        sizes=((400, ROW * len(bars) + 60),),
    )


def upright(at: float, name: str, x: Spec, height: Spec, style: str = "guide-name") -> list[Spec]:
    """A dashed line on the axis x, and its name at a height."""
    rows, x = [{"at": at}], {**x, "field": "at"}
    return [
        layer("rule", rows, "guide", x=x, y=None, **OWN),
        layer("text", rows, style, x=x, y=height, text={"value": name}, **OWN),
    ]


def best_named(analysis: Analysis) -> Chart:
    """Of several next steps the best one."""
    pairs = [(s.ranking.top1, s.ranking.top1_clear) if s.ranking else (None, None) for s in analysis.sources]
    return _share_figure(analysis, "The best next step is named", pairs)


def better_named(analysis: Analysis) -> Chart:
    """Of two next steps the better one."""
    pairs = [(s.ranking.pairwise, s.ranking.pairwise_clear) if s.ranking else (None, None) for s in analysis.sources]
    return _share_figure(analysis, "The better of two next steps is named", pairs)


def _share_figure(analysis: Analysis, title: str, pairs: Sequence[tuple[Share | None, Share | None]]) -> Chart:
    bars = [
        {
            **_bar(analysis, source.name, share and share.share, quantity(share and share.share, "share")),
            **(_span(share.interval.low, share.interval.high) if share and share.interval else {}),
            "sure": sure and sure.share,
            "told": f", where the truth is sure {quantity(sure.share, 'share')} of {sure.cases}" if sure else "",
        }
        for source, (share, sure) in zip(analysis.sources, pairs, strict=True)
    ]
    chance = next((share.chance for share, _ in pairs if share), None)
    return bar_figure(
        title, bars, SHARE, guide=None if chance is None else (chance, f"chance {quantity(chance, 'share')}")
    )


def gradient_noise(analysis: Analysis) -> Chart:
    """For its price in decoded tokens, over RLOO's."""
    scores = {source.name: source.gradient for source in analysis.sources if source.gradient is not None}
    bars = [
        {
            **_bar(analysis, name, score.against_rloo, quantity(score.against_rloo, "number")),
            **_span(score.against_rloo_low, score.against_rloo_high),
        }
        for name, score in scores.items()
    ]
    axis = Side(label="gradient noise per decoded token, over RLOO's")
    return bar_figure("Noise for its price: less is better", bars, axis, guide=(1.0, "RLOO"))


def gradient_cosine(analysis: Analysis) -> Chart:
    """With the large-sample gradient, two standard errors to either side."""
    scores = {source.name: source.gradient for source in analysis.sources if source.gradient is not None}
    bars = [
        {
            **_bar(analysis, name, score.cosine, quantity(score.cosine, "number")),
            **_two_errors(score.cosine, score.cosine_error),
        }
        for name, score in scores.items()
    ]
    return bar_figure("Cosine with the large-sample gradient", bars, FROM_0_TO_1)


def token_cost(analysis: Analysis) -> Chart:
    """Tokens decoded for values."""
    costs = {source.name: source.cost.tokens_per_trajectory for source in analysis.sources}
    bars = [_bar(analysis, name, cost, count(cost)) for name, cost in costs.items()]
    axis = Side(unit="count", label="tokens per trajectory")
    guide = (analysis.subject.mean_length, "the trajectory itself")
    return bar_figure("Tokens decoded for values", bars, axis, guide=guide)


def _bar(analysis: Analysis, name: str, value: float | None, text: str) -> Spec:
    return {"name": name, "ink": variable(source_inks(analysis.sources)[name]), "value": value, "text": text}


def _span(low: float | None, high: float | None) -> Spec:
    return {} if low is None or high is None else {"low": low, "high": high}


def _two_errors(value: float | None, error: float | None) -> Spec:
    return {} if value is None or error is None else _span(value - 2 * error, value + 2 * error)


# --- reliability -------------------------------------------------------------------------------------------------


def reliability_figure(analysis: Analysis) -> Chart:
    """What K rollouts tell of the steps."""
    found = analysis.reliability
    shares = {
        "right sign": [(p.rollouts, p.sign_agreement) for p in found.points if p.sign_agreement is not None],
        "reliability": [(p.rollouts, p.reliability) for p in found.points if p.reliability is not None],
    }
    inks = {"right sign": "of-coupled", "reliability": "of-vine-3"}
    curves = [Curve(name=name, ink=inks[name], points=points) for name, points in shares.items()]
    foot, top = ({"value": "height"}, "guide-foot"), ({"value": 0}, "guide-name")
    marked = {"needed": (found.rollouts_needed, foot), "here": (found.configured, top)}
    guides = [
        part
        for name, (k, place) in marked.items()
        if k is not None and k <= 256
        for part in upright(k, f"{name}: {k}", {}, *place)
    ]
    x = Side(label="rollouts per state, K", span=(1.0, 256.0), powers=4)
    return line_figure("What K rollouts tell of a step", curves, x, SHARE, guides)
