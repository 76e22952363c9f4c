"""The pages in a real browser: they open, steps open by click and by keyboard, nothing complains."""

from pathlib import Path

import pytest

from browser import Tab, browser, needs_browser
from compare.written_runs import write_run
from vineppo.cli import main
from vineppo.report.html import write_report

pytestmark = needs_browser

OPEN = "document.querySelectorAll('.card:not([hidden]) .step[open]').length"
SHOWN = "document.querySelector('.card:not([hidden])').id"


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture(scope="module")
def explanation(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    law = ["sampling={temperature: 1.0, top_p: 1.0, max_new_tokens: 80}", "credit=vine", "credit.rollouts=4"]
    words = ["--question", "3*7+1-2*4", "--answer", "30", "--solutions", "2", "--out", str(folder / "out")]
    assert main(["explain", *words, *law]) == 0
    return folder / "out" / "explanation.html"


@pytest.fixture(scope="module")
def comparison(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    runs = [
        write_run(folder / f"{credit}-{seed}", accuracies, credit=credit, seed=seed)
        for credit, accuracies in (("vine", [0.2, 0.8, 0.9]), ("ppo", [0.2, 0.3, 0.4]))
        for seed in (0, 1)
    ]
    assert main(["compare", *map(str, runs), "--out", str(folder / "out")]) == 0
    return folder / "out" / "comparison.html"


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reported")
    return write_report(write_run(folder / "run", [0.1, 0.3, 0.5]))


def fits(tab: Tab) -> bool:
    """Nothing sticks out sideways."""
    return tab.js("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_page_that_errs_or_asks_the_network_is_noticed(tab, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        "<!doctype html><img src='http://192.0.2.1/x.png'><script>document.documentElement.dataset.ready = 'yes';"
        " console.error('oops'); nonsense();</script>"
    )
    tab.open(page)
    said = " ".join(tab.complaints)
    assert "oops" in said
    assert "nonsense is not defined" in said
    assert "asked the network for http://192.0.2.1/x.png" in said


# --- every page --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["report", "explanation", "comparison"])
@pytest.mark.parametrize(
    "look", [{}, {"dark": True}, {"phone": True, "width": 360, "height": 740}], ids=["light", "dark", "phone"]
)
def test_a_page_opens_without_complaints_and_fits(tab, request, name, look):
    tab.open(request.getfixturevalue(name), **look)
    assert tab.complaints == []
    assert fits(tab)
    paper = tab.js("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(19, 20, 23)" if look.get("dark") else "rgb(251, 250, 248)")


@pytest.mark.parametrize("name", ["report", "explanation", "comparison"])
def test_everything_that_can_be_clicked_can_be_reached_by_the_keyboard(tab, request, name):
    tab.open(request.getfixturevalue(name))
    clickable = "summary, button:not([hidden]), select, input, [role=slider]"
    unreachable = tab.js(
        f"[...document.querySelectorAll('{clickable}')].filter((e) => e.tabIndex < 0).map((e) => e.outerHTML)"
    )
    assert unreachable == []


def test_the_theme_can_be_chosen(tab, report):
    tab.open(report)
    scheme = "document.documentElement.style.colorScheme"
    seen = []
    for _ in range(3):
        tab.click("#theme")
        seen.append(tab.js(scheme))
    assert sorted(seen) == ["", "dark", "light"]


# --- the heat map ------------------------------------------------------------------------------------------------


def test_a_step_opens_by_a_click_and_shows_value_interval_and_continuations(tab, explanation):
    tab.open(explanation)
    assert tab.js(OPEN) == 0
    tab.click(".card:not([hidden]) .step:nth-of-type(2) summary")
    assert tab.js(OPEN) == 1
    inside = tab.js("document.querySelector('.card:not([hidden]) .step[open] .inside').innerText")
    for word in ("value before", "value after", "advantage", " to ", "reward "):
        assert word in inside
    assert 1 <= tab.js("document.querySelectorAll('.card:not([hidden]) .step[open] .rollout').length") <= 2
    assert tab.complaints == []


def test_a_step_opens_and_closes_by_the_keyboard(tab, explanation):
    tab.open(explanation)
    tab.js("document.querySelector('.card:not([hidden]) .step summary').focus()")
    tab.press("Enter")
    assert tab.js(OPEN) == 1
    tab.press("Tab")
    tab.press("Enter")
    assert tab.js(OPEN) == 2, "the next step is the next stop"
    tab.press("Enter")
    assert tab.js(OPEN) == 1


def test_another_solution_is_chosen_by_its_button(tab, explanation):
    tab.open(explanation)
    first = tab.js(SHOWN)
    tab.click("[data-move='1']")
    assert {first, tab.js(SHOWN)} == {"q0-0", "q0-1"}
    tab.click("[data-move='1']")
    assert tab.js(SHOWN) == first


# --- charts ------------------------------------------------------------------------------------------------------


def test_the_axis_is_switched_by_click_and_by_arrow(tab, comparison):
    tab.open(comparison)
    shown = "[...document.querySelectorAll('.panel')].filter((p) => p.offsetParent).map((p) => p.dataset.axis).join()"
    assert tab.js(shown) == "updates"
    tab.click(".choices input[value=tokens]")
    assert tab.js(shown) == "tokens"
    tab.press("ArrowRight")
    assert tab.js(shown) == "kl"
    assert tab.complaints == []


def test_a_chart_is_read_by_the_arrow_keys(tab, comparison):
    tab.open(comparison)
    tab.js("document.querySelector('[data-axis=updates] [role=slider]').focus()")
    tab.press("Home")
    said = tab.js("document.querySelector('[data-axis=updates] [role=slider]').getAttribute('aria-valuetext')")
    assert said.replace("\N{NARROW NO-BREAK SPACE}", " ") == "0 updates: 20.0 %, 20.0 %"
    tab.press("ArrowRight")
    legend = tab.js("document.querySelector('[data-axis=updates] .legend').innerText")
    assert "80.0" in legend
    assert "30.0" in legend


def test_charts_of_a_run_are_read_together(tab, report):
    tab.open(report)
    tab.js("document.querySelector('[role=slider]').focus()")
    tab.press("Home")
    whens = tab.js("[...document.querySelectorAll('.when')].map((w) => w.textContent).filter(Boolean)")
    assert len(whens) > 1
    assert whens[0] == "iteration 0"


def test_a_chart_is_read_where_it_is_pointed_at(tab, report):
    tab.open(report)
    frame = "document.querySelector('[role=slider] .background').getBoundingClientRect()"
    tab.js("document.querySelector('[role=slider]').scrollIntoView({block: 'center'})")
    left, width, top = tab.js(f"[{frame}.left, {frame}.width, {frame}.top]")
    # iterations 0, 1, 2 share the width: the second third is the second's
    for share, iteration in ((0.3, 0), (0.37, 1), (0.63, 1), (0.7, 2)):
        tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=left + share * width, y=top + 20)
        assert tab.js("document.querySelector('.when').textContent") == f"iteration {iteration}"
        at = tab.js("document.querySelector('.cursor').getBoundingClientRect().left")
        assert at == pytest.approx(left + (iteration + 0.5) / 3 * width, abs=1.5)


@pytest.mark.parametrize(("look", "shown"), [({}, 0), ({"phone": True, "width": 390, "height": 800}, 1)])
def test_a_wide_chart_has_a_drawing_of_its_own_for_phones(tab, comparison, look, shown):
    tab.open(comparison, **look)
    visible = "[...document.querySelectorAll('[data-axis=updates] .drawing')].map((d) => d.offsetHeight > 0)"
    assert tab.js(visible) == [shown == 0, shown == 1]
    tab.js("document.querySelector('[data-axis=updates] [role=slider]').focus()")
    tab.press("Home")
    inside = "document.querySelector('[data-axis=updates] .cursor').getBoundingClientRect()"
    assert tab.js(f"{inside}.height") > 100
