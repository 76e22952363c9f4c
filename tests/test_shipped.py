"""The configurations that come along."""

from pathlib import Path

import pytest

from vineppo.cli import main
from vineppo.config.load import load_config
from vineppo.shipped import shipped

CONFIGS = Path(__file__).resolve().parents[1] / "configs"


def test_all_of_the_repository_come_along():
    assert len(shipped()) == len(list(CONFIGS.rglob("*.yaml")))
    assert shipped()["arithmetic"].read_text() == (CONFIGS / "arithmetic.yaml").read_text()


def test_they_are_listed_with_how_they_begin(capsys: pytest.CaptureFixture[str]):
    assert main(["configs"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines.keys() == shipped().keys()
    assert (
        "VinePPO on the embedded default: chains of arithmetic and the bundled starting policy" in lines["arithmetic"]
    )


def test_they_are_copied_and_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "mine"
    assert main(["configs", "arithmetic", "sweeps/rollouts", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.rglob("*.yaml")) == ["arithmetic.yaml", "rollouts.yaml"]
    assert load_config(out / "arithmetic.yaml") == load_config(CONFIGS / "arithmetic.yaml")
    assert main(["configs", "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["configs", "arithmetics", "--out", str(out)]) == 2
    assert "arithmetics is no configuration that comes along; did you mean arithmetic?" in capsys.readouterr().err
