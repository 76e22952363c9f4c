"""Sweeps: the shipped studies, what a file makes of its axes, and one tiny sweep truly run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from recipes.small_runs import QUICK
from vineppo.cli import main
from vineppo.credit.gae import PpoCredit
from vineppo.credit.tree_assigner import TreeCredit
from vineppo.credit.vine import VineCredit
from vineppo.errors import UserError
from vineppo.steps.tokens import TokensSteps
from vineppo.sweep.plan import make_plan, map_overrides

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SHIPPED = sorted((CONFIGS / "sweeps").glob("*.yaml"))


@pytest.fixture
def sweep(tmp_path) -> Path:
    """Two values, two seeds."""
    file = tmp_path / "sweep.yaml"
    file.write_text(f"axes: {{credit.restarts: [1, 2]}}\nseeds: [0, 1]\ndir: {tmp_path / 'runs'}\n")
    return file


def refusal(file: Path, *overrides: str) -> str:
    with pytest.raises(UserError) as refused:
        make_plan(file, overrides)
    return str(refused.value)


# --- shipped studies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_sweep_can_be_planned_and_its_cost_told(capsys, path, tmp_path):
    assert main(["sweep", str(path), "--dry-run", f"dir={tmp_path}"]) == 0
    out = capsys.readouterr().out.splitlines()
    plan = make_plan(path, [f"dir={tmp_path}"])
    assert len(plan) >= 9
    assert [line.split()[0] for line in out[1 : len(plan) + 1]] == [planned.name for planned in plan]
    assert out[len(plan) + 1].startswith("total ")


def test_the_papers_studies_are_all_there():
    assert {path.stem for path in SHIPPED} == {"rollouts", "temperature", "kl", "steps", "curricula", "recipes"}
    plans = {path.stem: [planned.config for planned in make_plan(path, ["seeds=[0]"])] for path in SHIPPED}
    assert [c.credit.rollouts for c in plans["rollouts"] if isinstance(c.credit, VineCredit)] == [1, 3, 9]
    assert [c.sampling.temperature for c in plans["temperature"]] == [0.6, 0.8, 1.0]
    assert {(c.evaluation.temperature, c.evaluation.top_p) for c in plans["temperature"]} == {(0.35, 0.9)}
    assert all(c.learner.kl_coefficient > 0 for c in plans["kl"]), "or there would be no KL to look at"
    assert [c.steps.name for c in plans["steps"]] == ["tokens", "tokens", "lines", "whole"]


def test_sweeps_share_no_folder():
    folders = [planned.config.run.dir for path in SHIPPED for planned in make_plan(path, [])]
    assert len(set(folders)) == len(folders)


# --- plans -------------------------------------------------------------------------------------------------------


def test_every_combination_runs_with_every_seed(sweep, tmp_path):
    plan = make_plan(sweep, [])
    assert [planned.name for planned in plan] == [
        "restarts=1,seed=0",
        "restarts=2,seed=0",
        "restarts=1,seed=1",
        "restarts=2,seed=1",
    ]
    last = plan[-1].config
    assert (last.credit, last.training.seed) == (TreeCredit(restarts=2), 1)
    assert last.run.dir == str(tmp_path / "runs" / "restarts=2,seed=1")


def test_the_base_lies_beside_the_sweep_and_its_variants_hold(tmp_path):
    (tmp_path / "base.yaml").write_text("variants: {credit: {ppo: {critic_learning_rate: 1.0e-3}}}")
    file = tmp_path / "sweep.yaml"
    file.write_text(
        "base: base.yaml\nsettings: {training.iterations: 7}\nseeds: [0]\n"
        "axes: {credit: [ppo, vine], steps: [{name: tokens, length: 3}]}\n"
    )
    first, second = make_plan(file, [f"dir={tmp_path}"])
    assert first.config.credit == PpoCredit(critic_learning_rate=1e-3)
    assert (first.name, second.name) == ("ppo,tokens-length=3,seed=0", "vine,tokens-length=3,seed=0")
    assert second.config.steps == TokensSteps(length=3)
    assert second.config.training.iterations == 7


def test_words_go_to_the_sweep_or_to_all_its_runs(sweep):
    [first, second] = make_plan(sweep, ["seeds=[5]", "training.iterations=3"])
    assert [p.config.training.seed for p in (first, second)] == [5, 5]
    assert [p.config.training.iterations for p in (first, second)] == [3, 3]


def test_values_reach_the_config_as_they_are():
    assert map_overrides({"a.b": "yes", "c": 1e-6, "d": {"name": "x"}}) == ['a.b="yes"', "c=1e-06", 'd={"name": "x"}']


def test_wrong_input_is_named_with_a_remedy(sweep, tmp_path):
    assert refusal(sweep, "credit.restarts=3").startswith("'credit.restarts=3' would undo the axis credit.restarts of ")
    assert "would undo the axis credit.restarts" in refusal(sweep, "credit=ppo")
    assert (
        refusal(sweep, "training.seed=1") == "'training.seed=1': the sweep sets training.seed; give seeds=... instead"
    )
    assert refusal(sweep, "run.dir=x") == "'run.dir=x': the sweep sets run.dir; give dir=... instead"
    assert refusal(sweep, "seeds=[1,1]") == "seeds [1, 1] has one twice; the same run would be made twice"
    assert refusal(sweep, "seeds=[]").startswith("seeds is []")
    assert refusal(sweep, "axes.credit.restarts=[]")
    assert refusal(sweep, "trainin.iterations=1").startswith("key trainin (given {")
    assert refusal(tmp_path / "none.yaml").startswith(f"{tmp_path / 'none.yaml'} is not there")
    cases = {
        "axes: {credit.restarts: []}": "axes.credit.restarts has nothing to vary",
        "axes: {}": "axes has nothing to vary",
        "axes: {training.seed: [1]}": "training.seed is set by the sweep; give seeds instead",
        "{settings: {credit: vine}, axes: {credit: [tree]}}": "credit is both in settings and in axes",
        "axes: {credit.restarts: [1, 1]}": "two combinations of the sweep's axes are both called restarts=1",
        "axes: {credit.restarts: [-1]}": "credit.restarts is -1, but must be a number >= 0",
        "base: none.yaml": f"{tmp_path / 'none.yaml'} is not there",
        "axis: {}": "key axis (given {}) is unknown",
    }
    for text, message in cases.items():
        (tmp_path / "bad.yaml").write_text(text)
        assert refusal(tmp_path / "bad.yaml").startswith(message)


def test_a_sweep_must_be_named(capsys):
    assert main(["sweep", "seeds=[1]"]) == 2
    assert capsys.readouterr().err.startswith("vineppo: error: no sweep is named; put its file first")


def test_a_dry_run_imports_no_torch(sweep):
    program = f"""
import sys
from vineppo.cli import main
main(["sweep", {str(sweep)!r}, "--dry-run"])
heavy = sys.modules.keys() & {{"torch", "transformers", "numpy", "datasets"}}
sys.exit(f"imported {{sorted(heavy)}}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


# --- a tiny sweep ------------------------------------------------------------------------------------------------


def test_a_sweep_runs_resumes_and_compares(capsys, sweep, tmp_path):
    settings = [*QUICK, "training.iterations=2", "evaluation.every=1", "task.test_questions=5"]
    words = [str(sweep), "seeds=[0]", *settings]
    runs = tmp_path / "runs"
    # One of the two runs was made before.
    made = ["train", *settings, "credit.restarts=1", f"run.dir={runs / 'restarts=1,seed=0'}"]
    assert main(made) == 0
    before = (runs / "restarts=1,seed=0" / "metrics.jsonl").read_text()
    capsys.readouterr()

    assert main(["sweep", *words, "--dry-run"]) == 0
    first, second = (line.split() for line in capsys.readouterr().out.splitlines()[1:3])
    assert first[:4] == ["restarts=1,seed=0", "2", "2", "0"], "what is done costs nothing any more"
    assert second[:3] == ["restarts=2,seed=0", "0", "2"]

    assert main(["sweep", *words]) == 0
    out = capsys.readouterr().out
    assert "run 1/2  restarts=1,seed=0  finished already" in out
    assert "run 2/2  restarts=2,seed=0\n" in out
    assert (runs / "restarts=1,seed=0" / "metrics.jsonl").read_text() == before
    assert json.loads((runs / "restarts=2,seed=0" / "summary.json").read_text())["iterations"] == 2
    assert "restarts=2" in (runs / "comparison" / "comparison.html").read_text()

    assert main(["sweep", *words, "learner.clip=0.3"]) == 2
    assert "learner.clip was 0.2 and is now 0.3" in capsys.readouterr().err


def test_a_sweep_that_is_interrupted_stops_there(monkeypatch, sweep):
    started = []

    class Trainer:
        def __init__(self, config, *, resume):
            assert resume, "a run that was stopped is continued"
            started.append(config.run.dir)

        def train(self):
            return type("Result", (), {"finished": len(started) < 2})

    monkeypatch.setattr("vineppo.trainer.Trainer", Trainer)
    assert main(["sweep", str(sweep)]) == 130
    assert len(started) == 2
