"""Figures with their own text: places, labels that do not lie on each other, files that stand alone."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vineppo.report.bar_figures import Bar, bar_figure
from vineppo.report.drawing import (
    FOOT,
    HEAD,
    Area,
    Drawing,
    Label,
    Shape,
    apart,
    dots,
    even_axis,
    fixed_axis,
    polyline,
    rectangle,
    side_by_side,
    to_svg,
)

SVG = "{http://www.w3.org/2000/svg}"


def test_corners_of_a_plotting_area():
    area = Area(x=fixed_axis((0, 1)), y=fixed_axis((0, 2)), width=200, height=154, left=40, right=60)
    assert area.place((0, 0)) == (40, 154 - FOOT)
    assert area.place((1, 2)) == (140, HEAD)
    assert area.place((0.5, 1)) == (90, (154 - FOOT + HEAD) / 2)


def test_doubling_axes_give_ratios_equal_room():
    axis = fixed_axis((1, 4, 16, 64, 256), doubling=True)
    assert [axis.share(k) for k in (1, 2, 4, 16, 256)] == [0, 1 / 8, 1 / 4, 1 / 2, 1]


def test_even_axes_enclose_what_they_show():
    axis = even_axis(-0.07, 0.21)
    assert axis.low <= -0.07 < 0.21 <= axis.high
    assert [text for _, text in even_axis(0, 1, unit="share").ticks][-1] == "100\u202f%"


def test_paths_by_hand():
    assert polyline([(0, 1), (2.5, 3)]) == "M0,1 L2.5,3"
    assert dots([(1, 2)]) == "M1,2h.01"
    assert rectangle(1, 2, 3, 4) == "M1,2h3v4h-3z"
    assert polyline([]) == ""


@given(st.lists(st.floats(0, 200), min_size=1, max_size=8))
def test_labels_keep_their_distance_and_order(heights: list[float]):
    placed = apart(heights, 13.0, 10.0, 210.0)
    assert all(10 - 0.1 <= height <= 210.1 for height in placed)
    ordered = [place for _, place in sorted(zip(heights, placed, strict=True))]
    assert all(after - before >= 13 - 0.11 for before, after in pairwise(ordered))


def test_labels_with_room_stay_where_they_belong():
    assert apart([100.0, 20.0, 60.0], 13.0, 0.0, 200.0) == [100, 20, 60]


def test_bars_end_at_their_values_and_stay_inside():
    bars = [
        Bar(name="a", ink="critic", value=0.5, text="half", interval=(0.25, 1.5)),
        Bar(name="b", ink="group", value=None, text="not measured"),
        Bar(name="c", ink="group", value=0.0, text="none", sure=1.0, sure_text="all"),
    ]
    drawing = bar_figure("t", bars, fixed_axis((0.0, 1.0)), guide=(0.25, "chance"))
    boxes = [re.match(r"M([\d.]+),[\d.]+h([\d.]+)", shape.path) for shape in drawing.shapes if shape.kind == "bar"]
    spans = [(float(box[1]), float(box[2])) for box in boxes if box]
    # the plotting area is 72 .. 302
    assert spans == [(72, 115), (72, 1)]
    (whisker,) = (shape.path for shape in drawing.shapes if shape.kind == "whisker")
    assert whisker.startswith("M129.5,35.5H302")
    assert [label.text for label in drawing.labels if label.kind == "name"] == ["a", "b", "c"]
    assert "b not measured" in drawing.summary
    assert "chance: 0.25" in drawing.summary


def test_a_file_stands_alone_and_escapes_what_it_shows():
    part = Drawing(
        title="<1> & 2",
        summary="spoken",
        width=100,
        height=50,
        shapes=(Shape(kind="line", ink="critic", path="M0,0 L1,1", title="a<b"),),
        labels=(Label(text="up", x=5, y=6, turned=True),),
    )
    text = to_svg(side_by_side("both", [part, part, part], columns=2))
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    # two columns, two rows, twenty pixels of title each
    assert [float(root.get(side) or 0) for side in ("width", "height")] == [200, 140]
    assert [group.get("transform") for group in root.iter(f"{SVG}g")] == [
        "translate(0 20.0)",
        "translate(100 20.0)",
        "translate(0 90.0)",
    ]
    assert [t.text for t in root.iter(f"{SVG}text") if t.get("class") == "name"] == ["<1> & 2"] * 3
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import", text)
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize("values", [(0.0, 0.0), (0.5, 0.5)])
def test_a_flat_range_still_has_room(values: tuple[float, float]):
    axis = even_axis(*values)
    assert axis.low < axis.high
