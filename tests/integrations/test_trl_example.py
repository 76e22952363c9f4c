"""The example of docs/trl.md runs, and the page shows what it is."""

import sys
from pathlib import Path

import pytest

from vineppo.report.run_data import read_run

ROOT = Path(__file__).resolve().parents[2]


def test_the_example_trains_and_leaves_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", ["examples", *sys.path])
    import trl_credit  # pyright: ignore[reportMissingImports]

    trainer = trl_credit.main(str(tmp_path), updates=1)
    (line,) = read_run(tmp_path).metrics
    assert line["steps/mean"] == 8  # a chain of eight operations
    assert line["tokens/rollouts"] > 0
    assert trainer.state.log_history[0]["credit/rollouts"] == line["credit/rollouts"]


def test_the_page_shows_the_examples_call():
    page, example = (ROOT / "docs" / "trl.md").read_text(), (ROOT / "examples" / "trl_credit.py").read_text()
    for line in ("from vineppo.integrations.trl import", "credit=CoupledCredit(rollouts=9, token_budget=150),"):
        assert line in page
        assert line in example
