"""The figures of an analysis."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from vineppo.analysis.records import Analysis, PositionBin, Share, SourceRecord
from vineppo.report.bar_figures import Bar, bar_figure
from vineppo.report.curves import Point
from vineppo.report.drawing import Area, Drawing, Label, Shape, apart, diamonds, dots, even_axis, fixed_axis, polyline
from vineppo.report.text import count, quantity

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
FIFTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
VINE_INKS = 4
LINE_HEIGHT = 13.0
PERFECT = "perfect"
"""The name of the line that a source without error would have."""


def source_inks(sources: Sequence[SourceRecord]) -> dict[str, str]:
    """A colour for each source by what it is; vines from pale to strong as K grows."""
    vines = [source.name for source in sources if source.name.startswith("vine")]
    first = max(0, VINE_INKS - len(vines))
    strong = {name: f"vine-{min(first + place, VINE_INKS - 1)}" for place, name in enumerate(vines)}
    return {source.name: strong.get(source.name, source.name.partition(":")[0]) for source in sources}


# --- values ------------------------------------------------------------------------------------------------------


def value_panel(analysis: Analysis, source: SourceRecord, ink: str) -> Drawing:
    """Every state where the source puts it and where it truly is, and the means of calibration."""
    truths = [state.truth for state in analysis.states]
    plain = min(truths) >= 0 and max(truths) <= 1
    axis = fixed_axis(FIFTHS) if plain else even_axis(min(0.0, *truths), max(1.0, *truths))
    across, up = replace(axis, label=f"value by {source.name}"), replace(axis, label="true value")
    area = Area(x=across, y=up, width=260, height=250, left=46)
    pairs = list(zip(source.values, analysis.states, strict=True))
    means = [_inside(area, (part.predicted, part.truth)) for part in source.calibration.bins]
    shapes = [
        *area.grid(),
        Shape(kind="guide", path=polyline([area.place((axis.low, axis.low)), area.place((axis.high, axis.high))])),
        Shape(kind="cloud", ink=ink, path=dots([_inside(area, (v, s.truth)) for v, s in pairs if s.step])),
        Shape(kind="roots", ink=ink, path=diamonds([_inside(area, (v, s.truth)) for v, s in pairs if not s.step])),
        Shape(kind="means", path=polyline(means)),
        Shape(kind="mean", path=dots(means)),
    ]
    error = "" if source.steps is None else f" Mean absolute error where steps begin: {source.steps.mae:.3f}."
    return Drawing(
        title=source.name,
        summary=f"Values by {source.name} against the truth at {len(pairs)} states.{error}",
        width=area.width,
        height=area.height,
        shapes=tuple(shape for shape in shapes if shape.path),
        labels=tuple(area.words()),
    )


def _inside(area: Area, point: Point) -> Point:
    """What a network puts outside the rewards' range is drawn at the edge."""
    return area.place((min(max(point[0], area.x.low), area.x.high), point[1]))


# --- along the response ------------------------------------------------------------------------------------------


def error_by_position(analysis: Analysis) -> Drawing:
    """Mean absolute error along the response, and what a perfect source would show."""
    lines = _along(analysis, lambda part: part.mae)
    floor = _along(analysis, lambda part: part.mae_floor).popitem()[1]
    return line_figure(
        "Mean absolute error along the response", lines, source_inks(analysis.sources), guide=(PERFECT, floor)
    )


def bias_by_position(analysis: Analysis) -> Drawing:
    """Predicted minus true along the response."""
    lines = _along(analysis, lambda part: part.bias)
    zero = [(0.0, 0.0), (1.0, 0.0)]
    return line_figure("Bias along the response", lines, source_inks(analysis.sources), guide=("", zero))


def _along(analysis: Analysis, read: Callable[[PositionBin], float]) -> dict[str, list[Point]]:
    return {
        source.name: [((part.low + part.high) / 2, read(part)) for part in source.by_position]
        for source in analysis.sources
    }


def line_figure(
    title: str, lines: dict[str, list[Point]], inks: dict[str, str], *, guide: tuple[str, list[Point]]
) -> Drawing:
    """A line a source over shares of the response, each named where it ends, and a dashed one to compare with."""
    heights = [y for points in (*lines.values(), guide[1]) for _, y in points]
    area = Area(
        x=fixed_axis(SHARES, "place in the response", unit="share"),
        y=even_axis(min([0.0, *heights]), max([0.0, *heights])),
        width=360,
        height=270,
        right=72,
    )
    dashed = [area.place(point) for point in guide[1]]
    shapes = [*area.grid(), Shape(kind="guide", path=polyline(dashed))]
    ends = {guide[0]: dashed[-1][1]} if guide[0] and dashed else {}
    for name, points in lines.items():
        placed = [area.place(point) for point in points]
        if placed:
            shapes.append(Shape(kind="line", ink=inks[name], path=polyline(placed), title=name))
            shapes.append(Shape(kind="dots", ink=inks[name], path=dots(placed)))
            ends[name] = placed[-1][1]
    spoken = "; ".join(f"{name} {', '.join(f'{y:.3f}' for _, y in points)}" for name, points in lines.items())
    return Drawing(
        title=title,
        summary=f"From the beginning to the end of the response: {spoken}.",
        width=area.width,
        height=area.height,
        shapes=tuple(shapes),
        labels=(*area.words(), *_names_at_ends(area, ends, inks)),
    )


def _names_at_ends(area: Area, ends: dict[str, float], inks: dict[str, str]) -> list[Label]:
    heights = apart(list(ends.values()), LINE_HEIGHT, 10.0, area.height - 46)
    left = area.width - area.right + 6
    return [
        Label(text=name, x=left, y=height + 4, anchor="start", ink=inks.get(name, ""))
        for name, height in zip(ends, heights, strict=True)
    ]


# --- bars --------------------------------------------------------------------------------------------------------


def best_named(analysis: Analysis) -> Drawing:
    """Of several next steps the best one."""
    pairs = [(s.ranking.top1, s.ranking.top1_clear) if s.ranking else (None, None) for s in analysis.sources]
    return _share_figure(analysis, "The best next step is named", pairs)


def better_named(analysis: Analysis) -> Drawing:
    """Of two next steps the better one."""
    pairs = [(s.ranking.pairwise, s.ranking.pairwise_clear) if s.ranking else (None, None) for s in analysis.sources]
    return _share_figure(analysis, "The better of two next steps is named", pairs)


def _share_figure(analysis: Analysis, title: str, pairs: Sequence[tuple[Share | None, Share | None]]) -> Drawing:
    inks = source_inks(analysis.sources)
    bars = [
        Bar(
            name=source.name,
            ink=inks[source.name],
            value=share and share.share,
            text=quantity(share and share.share, "share"),
            interval=(share.interval.low, share.interval.high) if share and share.interval else None,
            sure=sure and sure.share,
            sure_text=f"where the truth is sure: {quantity(sure.share, 'share')} of {sure.cases}" if sure else "",
        )
        for source, (share, sure) in zip(analysis.sources, pairs, strict=True)
    ]
    chance = next((share.chance for share, _ in pairs if share), None)
    guide = None if chance is None else (chance, f"chance {quantity(chance, 'share')}")
    return bar_figure(title, bars, fixed_axis(SHARES, unit="share"), guide=guide)


def gradient_noise(analysis: Analysis) -> Drawing:
    """For its price in decoded tokens, over RLOO's."""
    inks = source_inks(analysis.sources)
    scores = {source.name: source.gradient for source in analysis.sources if source.gradient is not None}
    bars = [
        Bar(
            name=name,
            ink=inks[name],
            value=score.against_rloo,
            text=quantity(score.against_rloo, "number"),
            interval=_known(score.against_rloo_low, score.against_rloo_high),
        )
        for name, score in scores.items()
    ]
    highest = max([1.0, *(bar.interval[1] for bar in bars if bar.interval)])
    axis = even_axis(0.0, highest, "gradient noise per decoded token, over RLOO's")
    return bar_figure("Noise for its price: less is better", bars, axis, guide=(1.0, "RLOO"))


def _known(low: float | None, high: float | None) -> tuple[float, float] | None:
    return None if low is None or high is None else (low, high)


def gradient_cosine(analysis: Analysis) -> Drawing:
    """With the large-sample gradient."""
    inks = source_inks(analysis.sources)
    scores = {source.name: source.gradient for source in analysis.sources if source.gradient is not None}
    bars = [
        Bar(
            name=name,
            ink=inks[name],
            value=score.cosine,
            text=f"{score.cosine:.2f}",
            interval=_around(score.cosine, score.cosine_error),
        )
        for name, score in scores.items()
    ]
    return bar_figure("Cosine with the large-sample gradient", bars, fixed_axis(FIFTHS))


def _around(value: float | None, error: float) -> tuple[float, float] | None:
    """Two standard errors to either side."""
    return None if value is None else (value - 2 * error, value + 2 * error)


def token_cost(analysis: Analysis) -> Drawing:
    """Tokens decoded for values."""
    inks = source_inks(analysis.sources)
    costs = {source.name: source.cost.tokens_per_trajectory for source in analysis.sources}
    bars = [Bar(name=name, ink=inks[name], value=cost, text=count(cost)) for name, cost in costs.items()]
    axis = even_axis(0.0, max([1.0, *costs.values()]), "tokens per trajectory", unit="count")
    length = analysis.subject.mean_length
    return bar_figure("Tokens decoded for values", bars, axis, guide=(length, "the trajectory itself"))


# --- reliability -------------------------------------------------------------------------------------------------


def reliability_figure(analysis: Analysis) -> Drawing:
    """What K rollouts tell of the steps."""
    found = analysis.reliability
    area = Area(
        x=fixed_axis((1, 4, 16, 64, 256), "rollouts per state, K", doubling=True),
        y=fixed_axis(SHARES, unit="share"),
        width=360,
        height=270,
        right=72,
    )
    curves = {
        "right sign": [(p.rollouts, p.sign_agreement) for p in found.points if p.sign_agreement is not None],
        "reliability": [(p.rollouts, p.reliability) for p in found.points if p.reliability is not None],
    }
    inks = {"right sign": "coupled", "reliability": "vine-3"}
    shapes, ends, labels = area.grid(), dict[str, float](), area.words()
    for name, points in curves.items():
        placed = [area.place((float(k), share)) for k, share in points]
        if placed:
            shapes.append(Shape(kind="line", ink=inks[name], path=polyline(placed), title=name))
            shapes.append(Shape(kind="dots", ink=inks[name], path=dots(placed)))
            ends[name] = placed[-1][1]
    for name, k in (("needed", found.rollouts_needed), ("here", found.configured)):
        if k is not None and k <= area.x.high:
            foot, top = area.place((k, 0.0)), area.place((k, 1.0))
            shapes.append(Shape(kind="guide", path=polyline([foot, top])))
            labels.append(Label(text=f"{name}: {k}", x=foot[0] + 4, y=foot[1] - 6, anchor="start"))
    told = "; ".join(f"K = {k}: {quantity(share, 'share')}" for k, share in curves["reliability"])
    return Drawing(
        title="What K rollouts tell of a step",
        summary=f"Reliability of measured advantages: {told}.",
        width=area.width,
        height=area.height,
        shapes=tuple(shapes),
        labels=(*labels, *_names_at_ends(area, ends, inks)),
    )
