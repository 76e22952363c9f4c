"""Whatever fails, what is complete is saved, and the run goes on from there to the bit."""

from pathlib import Path

import pytest
from small_runs import QUICK, metrics_of, without_time

from vineppo import Trainer, load_config
from vineppo.learner.learner import Learner
from vineppo.recipes.policy_iteration import PolicyIteration

SETTINGS = [*QUICK, "credit=grpo", "checkpoint.every=100", "evaluation={every: 0, questions: 4}"]


def config_of(run: Path, *settings: str):
    return load_config(None, [*SETTINGS, f"run.dir={run}", *settings])


def fails_at(iteration: int, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """An error in collecting, or half-way through an update."""
    if where == "collect":
        whole = PolicyIteration.collect

        def collect(self, number, display):
            if number == iteration:
                raise ZeroDivisionError("in a reward function")
            return whole(self, number, display)

        monkeypatch.setattr(PolicyIteration, "collect", collect)
        return
    step, calls = Learner._step, []

    def half(self, *arguments):
        calls.append(1)
        if len(calls) == 4 * (iteration - 1) + 2:  # two minibatches, two epochs
            raise ZeroDivisionError("out of memory")
        return step(self, *arguments)

    monkeypatch.setattr(Learner, "_step", half)


@pytest.mark.parametrize("where", ["collect", "update"])
def test_an_error_loses_only_the_iteration_it_is_in(tmp_path: Path, where: str):
    Trainer(config_of(tmp_path / "whole")).train()
    with pytest.MonkeyPatch.context() as patched:
        fails_at(3, patched, where)
        trainer = Trainer(config_of(tmp_path / "run"))
        with pytest.raises(ZeroDivisionError) as caught:
            trainer.train()
    assert "iterations up to 2 are saved" in caught.value.__notes__[-1]
    assert [folder.name for folder in (tmp_path / "run" / "checkpoints").iterdir()] == ["000002"]
    assert Trainer(config_of(tmp_path / "run"), resume=True).train().finished
    assert without_time(metrics_of(tmp_path / "run")) == without_time(metrics_of(tmp_path / "whole"))


def test_without_saving_between_an_error_in_collecting_still_saves(tmp_path: Path):
    with pytest.MonkeyPatch.context() as patched:
        fails_at(3, patched, "collect")
        trainer = Trainer(config_of(tmp_path / "run", "checkpoint.between=false"))
        with pytest.raises(ZeroDivisionError):
            trainer.train()
    assert [folder.name for folder in (tmp_path / "run" / "checkpoints").iterdir()] == ["000002"]


def test_a_finished_run_can_be_extended_and_tells_so(tmp_path: Path):
    Trainer(config_of(tmp_path / "run", "training.iterations=1")).train()
    longer = config_of(tmp_path / "run", "training.iterations=2", "learner.learning_rate=5e-4", "learner.micro_batch=4")
    result = Trainer(longer, resume=True).train()
    assert result.finished
    assert [line["iteration"] for line in result.metrics] == [0, 1, 2]
    provenance = (tmp_path / "run" / "provenance.json").read_text()
    assert "training.iterations was 1 and is now 2" in provenance
    assert "learner.learning_rate was 0.001 and is now 0.0005" in provenance
    assert "micro_batch" not in provenance
    assert result.metrics[-1]["learning_rate"] < 5e-4
    assert load_config(tmp_path / "run" / "config.yaml") == longer
