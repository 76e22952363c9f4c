"""README.md's examples are what the commands beside them wrote (docs/samples), but for speed and time."""

import io
import json
import re
from pathlib import Path

from rich.console import Console

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
