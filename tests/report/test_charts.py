"""Charts: what is drawn lies where it must, in colours that follow light and dark, and what the pointer reads is so."""

import json
import re
from xml.etree import ElementTree

import pytest

from vineppo.report.analysis_figures import bar_figure, line_figure, stand_alone, upright
from vineppo.report.charts import Chart, Curve, Side, curve_chart, reach, running_mean, stacked_chart
from vineppo.report.colours import COLOURS
from vineppo.report.text import NOTHING

SVG = "{http://www.w3.org/2000/svg}"
SQUARE = ((300, 200),)
HOSTILE = "</svg><script>alert(1)</script>\"'&"


class Drawn:
    """A drawing's marks, in shares of its plotting area: 0, 0 is where its axes begin."""

    def __init__(self, chart: Chart) -> None:
        self.text = str(chart.drawings()[0])
        self.root = ElementTree.fromstring(self.text)
        frame = next(path for path in self.root.iter(f"{SVG}path") if path.get("class") == "background")
        self.width, self.height = map(float, re.findall(r"h([\d.]+)v([\d.]+)", frame.get("d") or "")[0])

    def marks(self, kind: str) -> list[ElementTree.Element]:
        groups = [g for g in self.root.iter(f"{SVG}g") if f"mark-{kind} role-mark" in (g.get("class") or "")]
        return [path for group in groups for path in group if path.tag == f"{SVG}path"]

    def points(self, path: ElementTree.Element) -> list[tuple[float, float]]:
        places = re.findall(r"[ML](-?[\d.]+),(-?[\d.]+)", path.get("d") or "")
        return [(round(float(x) / self.width, 3), round(1 - float(y) / self.height, 3)) for x, y in places]

    def at(self, path: ElementTree.Element) -> tuple[float, float]:
        x, y = re.findall(r"translate\((-?[\d.]+),(-?[\d.]+)\)", path.get("transform") or "")[0]
        return round(float(x) / self.width, 3), round(1 - float(y) / self.height, 3)

    def box(self, path: ElementTree.Element) -> tuple[float, float, float, float]:
        """Left, right, bottom, top."""
        x, y, w, h = map(float, re.findall(r"M(-?[\d.]+),(-?[\d.]+)h([\d.]+)v([\d.]+)", path.get("d") or "")[0])
        sides = (x / self.width, (x + w) / self.width, 1 - (y + h) / self.height, 1 - y / self.height)
        return tuple(round(side, 3) for side in sides)  # pyright: ignore[reportReturnType]

    @property
    def words(self) -> list[str]:
        return [text.text or "" for text in self.root.iter(f"{SVG}text")]


def curve(points: list[tuple[float, float]], **more) -> Curve:
    return Curve(**{"name": "a", "ink": "accent", "points": points, **more})


def blank() -> Chart:
    return Chart(title="t", sizes=SQUARE)


# --- curves ------------------------------------------------------------------------------------------------------


def test_a_line_runs_from_corner_to_corner_below_its_band():
    line = curve([(0, 0.0), (10, 1.0)], band=[(0, 0.0, 0.5), (10, 0.5, 1.0)])
    drawn = Drawn(curve_chart(blank(), [line], Side(span=(0.0, 10.0)), Side()))
    assert [drawn.points(path) for path in drawn.marks("line")] == [[(0, 0), (1, 1)]]
    (band,) = drawn.marks("area")
    assert sorted(drawn.points(band)) == [(0, 0), (0, 0.5), (1, 0.5), (1, 1)]


def test_a_drawing_has_the_size_it_was_asked_for():
    chart = Chart(title="t", sizes=((300, 200), (120, 90)))
    drawings = curve_chart(chart, [curve([(0, 0.0), (1, 1.0)])], Side(label="x"), Side()).drawings()
    roots = [ElementTree.fromstring(drawing) for drawing in drawings]
    assert [(root.get("width"), root.get("height")) for root in roots] == [("300", "200"), ("120", "90")]


def test_a_curve_that_turns_back_is_drawn_in_its_own_order_and_not_read():
    chart = curve_chart(blank(), [curve([(0, 0.0), (2, 1.0), (1, 0.5)])], Side(), Side())
    assert Drawn(chart).points(Drawn(chart).marks("line")[0]) == [(0, 0), (1, 1), (0.5, 0.5)]
    assert chart.data == ""
    assert [latest for _, latest in chart.readings] == ["0.5"]


def test_many_points_are_a_line_and_few_are_dots_too():
    def dots(count: int) -> int:
        points = [(float(i), float(i)) for i in range(count)]
        return len(Drawn(curve_chart(blank(), [curve(points)], Side(), Side())).marks("symbol"))

    assert [dots(count) for count in (1, 40, 41)] == [1, 40, 0]


def test_nothing_measured_is_nothing_drawn():
    for chart in (curve_chart(blank(), [curve([])], Side(), Side()), stacked_chart(blank(), [], Side(), Side())):
        assert chart == blank()
        assert chart.drawings() == []


def test_powers_are_equally_apart():
    figure = line_figure("t", [curve([(1, 0.0), (16, 0.5), (256, 1.0)])], Side(span=(1.0, 256.0), powers=4), Side())
    drawn = Drawn(figure)
    assert drawn.points(drawn.marks("line")[0]) == [(0, 0), (0.5, 0.5), (1, 1)]
    assert {"1", "4", "16", "64", "256"} <= set(drawn.words)


def test_a_guide_stands_at_its_place_in_a_colour_of_its_own():
    line = curve([(1, 0.0), (256, 1.0)])
    drawn = Drawn(
        line_figure("t", [line], Side(span=(1.0, 256.0), powers=4), guides=upright(16, "here: 16", {}, {"value": 0}))
    )
    guides = [mark for mark in drawn.root.iter(f"{SVG}line") if mark.get("stroke") == "var(--soft)"]
    assert [drawn.at(mark)[0] for mark in guides] == [0.5]
    assert "here: 16" in drawn.words


def test_a_flat_curve_has_room_and_zero_is_kept_where_asked():
    assert reach([0.0, 0.0], from_zero=True) == (0.0, 1.0)
    assert reach([5.0, 5.0], from_zero=False) == (4.5, 5.5)
    assert reach([5.0, 5.0], from_zero=True) == (0.0, 5.0)
    assert reach([-2.0, 3.0], from_zero=True) == (-2.0, 3.0)


def test_shares_are_written_in_percent_and_iterations_are_whole():
    chart = curve_chart(blank(), [curve([(0, 0.0), (2, 1.0)])], Side(span=(-0.5, 2.5), whole=True), Side(unit="share"))
    assert Drawn(chart).words == [
        "0",
        "1",
        "2",
        "0\u202f%",
        "20\u202f%",
        "40\u202f%",
        "60\u202f%",
        "80\u202f%",
        "100\u202f%",
    ]


def test_long_times_are_told_in_minutes():
    chart = curve_chart(blank(), [curve([(0, 0.0), (600, 1.0)])], Side(unit="seconds", label="Time"), Side())
    data = json.loads(chart.data)
    assert (data["x"], data["span"]) == ([0, 10], [0, 10])
    assert data["when"][1] == "10\u202fmin 00\u202fs"
    assert {"Time, minutes", "10"} <= set(Drawn(chart).words)


# --- stacks and bars ---------------------------------------------------------------------------------------------


def test_bars_stand_on_each_other_and_what_was_not_measured_takes_no_room():
    parts = [curve([(0, 1.0)]), curve([(0, 3.0), (1, 4.0)], name="b", ink="sample")]
    drawn = Drawn(stacked_chart(blank(), parts, Side(span=(-0.5, 1.5)), Side()))
    # two places, each half the width; four fifths of it are bar
    boxes = [drawn.box(path) for path in drawn.marks("rect")]
    assert boxes == [(0.05, 0.45, 0, 0.25), (0.05, 0.45, 0.25, 1), (0.55, 0.95, 0, 1)]
    assert [path.get("fill") for path in drawn.marks("rect")] == ["var(--accent)", "var(--sample)", "var(--sample)"]


def test_rows_end_at_their_values_and_stay_inside():
    ink = "var(--of-critic)"
    bars = [
        {"name": "a", "ink": ink, "value": 0.5, "text": "half", "low": 0.25, "high": 1.5},
        {"name": "b", "ink": ink, "value": None, "text": "not measured"},
        {"name": "c", "ink": ink, "value": 2.0, "text": "much", "sure": 0.75},
    ]
    chart = bar_figure("t", bars, Side(span=(0.0, 1.0)), guide=(0.25, "chance"))
    drawn = Drawn(chart)
    filled = [path for path in drawn.marks("rect") if path.get("fill") == ink]
    assert [drawn.box(path)[:2] for path in filled] == [(0, 0.5), (0, 1)]
    assert [drawn.at(path)[0] for path in drawn.marks("symbol")] == [0.75]
    order = [word for word in drawn.words if word in {"a", "b", "c"}]
    assert order == ["a", "b", "c"]
    assert {"half", "not measured", "much", "chance"} <= set(drawn.words)
    assert "b not measured" in chart.summary
    assert "chance: 0.25" in chart.summary


# --- colours and words -------------------------------------------------------------------------------------------


def every_kind() -> list[Chart]:
    line = curve([(0, 0.0), (1, 1.0)], band=[(0, 0.0, 0.5), (1, 0.5, 1.0)], name=HOSTILE, ink="e1")
    rows = [{"name": HOSTILE, "ink": "var(--ink)", "value": 1.0, "text": HOSTILE, "low": 0.5, "high": 1.5, "sure": 0.5}]
    return [
        curve_chart(blank(), [line], Side(label=HOSTILE), Side()),
        stacked_chart(blank(), [line], Side(), Side()),
        line_figure(HOSTILE, [line], Side(span=(0.0, 1.0))),
        bar_figure(HOSTILE, rows, Side(), guide=(1.0, HOSTILE)),
    ]


@pytest.mark.parametrize("kind", range(4))
def test_every_colour_is_a_variable_that_is_defined_and_every_word_is_escaped(kind: int):
    drawn = Drawn(every_kind()[kind])
    colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', drawn.text)) - {"none", "transparent"}
    assert colours <= {f"var(--{name})" for name in COLOURS}
    assert "<script" not in drawn.text
    if kind != 1:  # a stack names its parts outside the drawing
        assert any(word.startswith(HOSTILE[:20]) for word in drawn.words), "a legend shortens it"


def test_a_file_stands_alone_in_light_and_dark():
    text = stand_alone([*every_kind()[2:], Chart(title="not measured")], columns=2)
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert [g.get("class") for g in root.iter(f"{SVG}g")].count("mark-group role-legend") == 1, (
        "one legend names a line"
    )
    assert HOSTILE in (root.findtext(f"{SVG}desc") or "")
    assert [word.text for word in root.iter(f"{SVG}text")].count(HOSTILE) >= 2, "each chart has its title"
    assert not re.search(r"https?://(?!www\.w3\.org/)|url\(|@import", text)
    style = root.findtext(f"{SVG}style") or ""
    assert "--of-tree:#8a2f8f;" in style.partition("prefers-color-scheme:dark")[0]
    assert "--of-tree:#d07ad4;" in style.partition("prefers-color-scheme:dark")[2]


# --- the pointer -------------------------------------------------------------------------------------------------


def test_the_pointer_reads_between_points_but_not_beyond():
    curves = [curve([(0, 0.0), (10, 1.0)]), curve([(5, 3.0)], name="b"), curve([(2, 9.0)], aside=True)]
    data = json.loads(curve_chart(blank(), curves, Side(reading="{} tokens"), Side()).data)
    assert data["x"] == [0, 5, 10]
    assert data["when"] == ["0 tokens", "5 tokens", "10 tokens"]
    assert data["text"] == [["0", "0.5", "1"], [NOTHING, "3", NOTHING]]


def test_the_pointer_reads_no_bar_where_there_is_none():
    parts = [curve([(0, 1.0), (2, 3.0)]), curve([(1, 5.0)], name="b")]
    chart = stacked_chart(blank(), parts, Side(), Side())
    assert json.loads(chart.data)["text"] == [["1", NOTHING, "3"], [NOTHING, "5", NOTHING]]
    assert [latest for _, latest in chart.readings] == ["3", "5"]


def test_a_standard_error_is_written_and_an_interval_is_not():
    band = [(0.0, 0.25, 0.75)]
    for plus_minus, text in ((True, "0.5 ± 0.25"), (False, "0.5")):
        chart = curve_chart(blank(), [curve([(0, 0.5)], band=band, plus_minus=plus_minus)], Side(), Side())
        assert chart.readings[0][1] == text


def test_running_mean_looks_back_only():
    assert running_mean([4.0, 2.0, 0.0, 6.0], 2) == [4.0, 3.0, 1.0, 3.0]
