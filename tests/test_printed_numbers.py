"""README.md's examples are what the commands beside them wrote (docs/samples), but for speed and time; the tables of
studies are what their runs came to (benchmarks/results).
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean, stdev

from rich.console import Console

import real_model
from vineppo.config.load import load_config
from vineppo.credit.vine import VineCredit
from vineppo.explain.show import show
from vineppo.progress import describe
from vineppo.report.credit_map import map_of
from vineppo.report.run_data import LoggedTrajectory

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def sample(name: str) -> list[dict]:
    return [json.loads(line) for line in (ROOT / "docs/samples" / name).read_text(encoding="utf-8").splitlines()]


def test_make_train_shows_what_it_showed():
    start, tenth, _ = sample("train.jsonl")
    for line in (start, tenth):
        lasting = re.split(r"  [\d.]+k tok/s", describe(line))[0]
        assert f"{int(line['iteration']):>5}/70  {lasting}" in README


def test_the_end_of_make_train_is_the_accuracy_that_is_told():
    *_, last = sample("train.jsonl")
    assert last["iteration"] == 70
    assert f"at 94 to {100 * last['eval/accuracy']:.0f} % after 70 iterations" in README


def test_explain_shows_what_it_showed():
    first, second = [LoggedTrajectory.model_validate({"iteration": 0, **record}) for record in sample("explain.jsonl")]
    written = io.StringIO()
    show(
        map_of([("question", "q0", [first, second])], "share", numbered=True),
        limit=1,
        console=Console(file=written, width=100),
    )
    shown = [line.rstrip() for line in written.getvalue().partition("\n\n")[0].splitlines()]
    assert len(shown) == 13
    assert "\n".join(shown[3:]) in README


def test_the_k_of_the_default_configuration_is_the_one_in_the_pages():
    credit = load_config(ROOT / "configs/arithmetic.yaml", ["credit=vine"]).credit
    assert isinstance(credit, VineCredit)
    assert f"the K = {credit.rollouts} that" in (ROOT / "docs/instruments.md").read_text(encoding="utf-8")


# --- studies, whose every evaluation is kept in benchmarks/results -----------------------------------------------


Spread = tuple[str, str]
"""Mean and standard deviation over seeds, in percent, as a page writes them."""

PLAIN = re.compile(r"(\d+\.\d)%? ± (\d+\.\d)")


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def spread(values: list[float]) -> Spread:
    return f"{100 * mean(values):.1f}", f"{100 * stdev(values):.1f}"


def headline(name: str = "points") -> dict[str, dict[str, dict[int, float]]]:
    """Accuracy by experiment, seed and iteration."""
    with (ROOT / f"benchmarks/results/headline-small/{name}.csv").open(newline="") as file:
        found: dict[str, dict[str, dict[int, float]]] = {}
        for row in csv.DictReader(file):
            curve = found.setdefault(row["experiment"], {}).setdefault(row["seed"], {})
            curve[int(row["iteration"])] = float(row["accuracy"])
    return found


def ends(curves: Iterable[Mapping[int, float]]) -> list[float]:
    return [curve[max(curve)] for curve in curves]


def trl() -> dict[str, list[dict[int, float]]]:
    """Accuracy by arm, a curve a seed."""
    found: dict[str, list[dict[int, float]]] = {}
    for file in sorted((ROOT / "benchmarks/results/trl").glob("*.jsonl")):
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        curve = {int(line["updates"]): line["eval/accuracy"] for line in lines if "eval/accuracy" in line}
        found.setdefault(file.stem.rpartition("-")[0], []).append(curve)
    return found


def test_the_headline_is_what_its_runs_came_to():
    """In the page and in the README, wherever a mean stands with its deviation, and for each arm in the table."""
    arms = headline()
    known = {spread(ends(seeds.values())) for seeds in arms.values()}
    starts = {spread([curve[0] for curve in seeds.values()]) for seeds in arms.values()}
    not_chosen = {spread(ends(seeds.values())) for seeds in headline("not-chosen").values()}
    in_trl = {spread(ends(curves)) for curves in trl().values()}
    text = page("docs/headline.md")
    assert set(PLAIN.findall(text)) <= known | starts | not_chosen
    for name, seeds in arms.items():
        end, off = spread(ends(seeds.values()))
        (row,) = re.findall(rf"\| \*\*{re.escape(name)}\*\* \|.*", text)
        assert f"| {len(seeds)} |" in row
        assert f"| {end}% ± {off} |" in row
    elsewhere = set(PLAIN.findall(page("benchmarks/RESULTS.md")))
    assert set(PLAIN.findall(page("README.md"))) <= known | in_trl | elsewhere


def test_trls_table_is_what_its_runs_came_to():
    arms, text = trl(), page("docs/trl.md")
    for name, curves in arms.items():
        each = ", ".join(f"{100 * end:.1f}" for end in ends(curves))
        assert f"| {each} % | {' ± '.join(spread(ends(curves)))} % |" in text, name
    for name, told in (("grpo", "TRL's GRPO"), ("coupled", "coupled credit")):
        row = next(line for line in text.splitlines() if line.startswith(f"| {told} | 9.2 |"))
        at = [spread([curve[updates] for curve in arms[name]]) for updates in (20, 40, 60, 80, 100, 120)]
        assert row == f"| {told} | 9.2 | {' | '.join(map(' ± '.join, at))} |"


def test_the_maps_table_is_what_its_chains_came_to():
    """Times fewer tokens than RLOO: exact values, the best that only measures, the best that learns."""
    with (ROOT / "benchmarks/results/map/map.csv").open(newline="") as file:
        chains: dict[str, dict[str, float]] = {}
        for row in csv.DictReader(file):
            chains.setdefault(row["chain"], {})[row["method"]] = float(row["times_fewer_tokens"])
    assert f"of {len(chains)} chains" in page("docs/map.md")
    for chain, times in chains.items():
        (cells,) = [
            line.strip("| ").split(" | ")
            for line in page("docs/map.md").splitlines()
            if line.startswith(f"| {chain} |") and "(tree" in line
        ]
        assert cells[3] == f"{times['exact values']:.2g}"
        for cell, kinds in ((cells[4], ("coupled", "vine")), (cells[5], ("tree",))):
            own = {name: value for name, value in times.items() if name.startswith(kinds) and "," not in name}
            best = max(own, key=lambda name: own[name])
            assert re.fullmatch(rf"{re.escape(f'{own[best]:.2g}')} ± \S+ \({best}\)", cell), (chain, cell)


def test_the_real_models_table_is_what_its_runs_came_to():
    runs = real_model.kept()
    assert len(runs) >= 4
    assert real_model.accuracy_table(runs) in page("docs/real_model.md")
